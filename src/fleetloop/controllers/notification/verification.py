"""Whether a call to a webhook is from whom it says. Nothing of the body is parsed before.

Flux: helm-notification-image.md 3.6.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fleetloop.api.notification import Receiver
from fleetloop.controllers.notification.cdevents import check_cdevent
from fleetloop.controllers.notification.oidc import Oidc
from fleetloop.controllers.notification.receiver import OIDC
from fleetloop.controllers.notification.verification_errors import Unverified

_HASHES = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}
_EVENT_HEADERS = {"github": "X-GitHub-Event", "bitbucket": "X-Event-Key", "gitlab": "X-Gitlab-Event", "cdevents": "Ce-Type"}
_NO_CLAIMS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Call:
    """`headers` by any case. `body` as it came."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """`body`: what was meant, where it came wrapped. `claims` of a token."""

    body: bytes
    claims: Mapping[str, Any]


async def verify(call: Call, receiver: Receiver, secret: Mapping[str, bytes], oidc: Oidc) -> Verified:
    """Raises Unverified."""
    type, token = receiver.spec.type, secret.get("token", b"")
    if type != OIDC and not token:
        raise Unverified("the secret has no token")
    body, claims = call.body, _NO_CLAIMS
    match type:
        case "generic-hmac":
            _check_hmac(call.headers.get("X-Signature", ""), body, token, ("sha1", "sha256", "sha512"))
        case "github" | "bitbucket":
            header = call.headers.get("X-Hub-Signature-256") or call.headers.get("X-Hub-Signature", "")
            _check_hmac(header, body, token, ("sha1", "sha256", "sha512"))
            _check_form(call)
        case "gitlab":
            _check_equal(call.headers.get("X-Gitlab-Token", ""), token)
        case "harbor":
            _check_equal(call.headers.get("Authorization", ""), token)
        case "nexus":
            expected = hmac.new(token, body, hashlib.sha1).hexdigest()
            _check_equal(call.headers.get("X-Nexus-Webhook-Signature", ""), expected.encode())
        case "gcr":
            await _check_google(call, secret, oidc)
            body = _unwrapped(body)
        case "generic-oidc":
            claims = await oidc.claims_of(_bearer(call), receiver.spec.oidc_providers, receiver.namespace)
        case "dockerhub" | "quay" | "acr":
            _json_object(body)
        case "cdevents":
            check_cdevent(_json_object(body))
    _check_event(call, receiver)
    return Verified(body, claims)


def _check_hmac(header: str, body: bytes, token: bytes, algorithms: tuple[str, ...]) -> None:
    name, _, given = header.partition("=")
    if name not in algorithms:
        raise Unverified("the signature's header is missing, or of an unknown algorithm")
    _check_equal(given, hmac.new(token, body, _HASHES[name]).hexdigest().encode())


def _check_equal(given: str, expected: bytes) -> None:
    if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected):
        raise Unverified("the signature or token is another")


def _check_form(call: Call) -> None:
    kind = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in ("application/json", "application/x-www-form-urlencoded"):
        raise Unverified("the content type is neither JSON nor a form")


def _check_event(call: Call, receiver: Receiver) -> None:
    header = _EVENT_HEADERS.get(receiver.spec.type)
    if not header or not receiver.spec.events:
        return
    event = call.headers.get(header, "").lower()
    if event not in {wanted.lower() for wanted in receiver.spec.events}:
        raise Unverified(f"the event '{event[:100]}' is not authorised")


async def _check_google(call: Call, secret: Mapping[str, bytes], oidc: Oidc) -> None:
    """CVE-2026-40109: any account of Google can get a signed token; for whom and from whom is what counts."""
    email, audience = (secret.get(key, b"").decode(errors="replace").strip() for key in ("email", "audience"))
    if not email or not audience:
        raise Unverified("the secret must have 'email' and 'audience'")
    claims = await oidc.google_claims(_bearer(call), audience)
    if claims.get("email") != email or claims.get("email_verified") is not True:
        raise Unverified("the token is of another account")


def _bearer(call: Call) -> str:
    scheme, _, token = call.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unverified("the Authorization header has no bearer token")
    return token.strip()


def _unwrapped(body: bytes) -> bytes:
    """What Pub/Sub carries in base64."""
    message = _json_object(body).get("message")
    data = message.get("data") if isinstance(message, dict) else None
    try:
        return base64.b64decode(data or "", validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Unverified("the message of Pub/Sub cannot be decoded") from None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except ValueError:
        raise Unverified("the body is no JSON") from None
    if not isinstance(found, dict):
        raise Unverified("the body is no JSON object")
    return found
