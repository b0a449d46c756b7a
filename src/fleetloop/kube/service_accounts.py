"""ServiceAccounts: the users they are, and their tokens for others than the API server (TokenRequest)."""

import datetime
import re
from collections.abc import Sequence

import orjson

from fleetloop.kube.client import Kube
from fleetloop.kube.discovery import Resource
from fleetloop.kube.errors import error_of

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts", namespaced=True)
SHORTEST = 600  # seconds; the API server gives none for less


def user_of(namespace: str, name: str) -> str:
    """The user that a ServiceAccount is, "" for no name. Raises ValueError: a name goes into a header."""
    if name and not _NAME.fullmatch(name):
        raise ValueError(f"{name[:100]!r} is no name that a service account can have")
    return f"system:serviceaccount:{namespace}:{name}" if name else ""


async def service_account_token(
    kube: Kube, namespace: str, name: str, audiences: Sequence[str], *, lifetime: int = SHORTEST
) -> str:
    """`lifetime`: seconds. Raises ApiError, Unreachable."""
    return (await token_and_expiry(kube, namespace, name, audiences, lifetime=lifetime))[0]


async def token_and_expiry(
    kube: Kube, namespace: str, name: str, audiences: Sequence[str], *, lifetime: int
) -> tuple[str, datetime.datetime]:
    """Raises ApiError, Unreachable."""
    spec = {"audiences": list(audiences), "expirationSeconds": lifetime}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    status, answer = await kube.raw("POST", _ACCOUNTS.path(namespace, name, "token"), body)
    found = orjson.loads(answer)
    if status >= 400:
        raise error_of(status, found)
    return str(found["status"]["token"]), datetime.datetime.fromisoformat(found["status"]["expirationTimestamp"])
