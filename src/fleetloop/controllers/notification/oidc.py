"""Tokens of OpenID Connect: found out who may have issued them, their signature checked, then the conditions of a Receiver.

Flux: helm-notification-image.md 3.5, 3.6. Keys of an issuer are kept for a short while, so that forged calls cost it no requests.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

from fleetloop.api.notification import OIDCProvider
from fleetloop.controllers.notification.access import Access
from fleetloop.controllers.notification.cel import Cel
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.receiver import DEFAULT_AUDIENCE
from fleetloop.controllers.notification.verification_errors import Unverified

GOOGLE_KEYS = "https://www.googleapis.com/oauth2/v3/certs"
_GOOGLE = ("https://accounts.google.com", "accounts.google.com")
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_KEPT, _ISSUERS = 60.0, 100  # seconds, and how many
_LONGEST_TOKEN = 16_384  # characters


@dataclass(slots=True)
class Oidc:
    """`patience`: seconds for an issuer's answer; a caller waits for it, and an issuer may be a tenant's."""

    http: Http
    cel: Cel
    google_keys: str = GOOGLE_KEYS
    patience: float = 10.0
    _keys: dict[str, tuple[float, jwt.PyJWKSet]] = field(default_factory=dict)

    async def claims_of(self, token: str, providers: Sequence[OIDCProvider], namespace: str) -> Mapping[str, Any]:
        """`namespace`: whose providers they are. Raises Unverified."""
        issuer = _issuer_of(token)
        provider = next((found for found in providers if found.issuer_url == issuer), None)
        if provider is None:
            raise Unverified(f"no oidcProvider has the issuer '{issuer[:200]}'")
        keys = await self._keys_of(issuer)
        claims = _verified(token, keys, provider.audience or DEFAULT_AUDIENCE, [issuer])
        await self._validate(claims, provider, self.cel.of(namespace))
        return claims

    async def google_claims(self, token: str, audience: str) -> Mapping[str, Any]:
        """Raises Unverified."""
        return _verified(token, await self._fetched(self.google_keys), audience, list(_GOOGLE))

    async def _validate(self, claims: Mapping[str, Any], provider: OIDCProvider, cel: Cel) -> None:
        variables: dict[str, Any] = {"claims": dict(claims), "vars": {}}
        try:
            for variable in provider.variables:
                variables["vars"][variable.name] = await cel.value(variable.expression, "", variables)
            for validation in provider.validations:
                if not await cel.holds(validation.expression, variables):
                    raise Unverified(f"validation failed: {validation.message}")
        except ValueError as error:
            raise Unverified(f"expression of oidcProvider '{provider.issuer_url}': {error}") from None

    async def _keys_of(self, issuer: str) -> jwt.PyJWKSet:
        base = issuer.rstrip("/")
        found = self._kept(issuer)
        if found:
            return found
        document = await self._json(f"{base}/.well-known/openid-configuration")
        if document.get("issuer") != issuer or not isinstance(document.get("jwks_uri"), str):
            raise Unverified(f"the discovery document of '{issuer}' is of another issuer")
        return self._keep(issuer, await self._json(document["jwks_uri"]))

    async def _fetched(self, url: str) -> jwt.PyJWKSet:
        return self._kept(url) or self._keep(url, await self._json(url))

    def _kept(self, name: str) -> jwt.PyJWKSet | None:
        since, keys = self._keys.get(name, (0.0, None))
        return keys if keys and time.monotonic() - since < _KEPT else None

    def _keep(self, name: str, content: dict[str, Any]) -> jwt.PyJWKSet:
        try:
            keys = jwt.PyJWKSet.from_dict(content)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            raise Unverified(f"the keys of '{name}' cannot be read") from None
        if len(self._keys) >= _ISSUERS:
            self._keys.clear()
        self._keys[name] = (time.monotonic(), keys)
        return keys

    async def _json(self, url: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.patience):
                found = (await self.http.send(Access(url), "GET", url, {"Accept": "application/json"})).json()
        except TimeoutError:
            raise Unverified(f"'{url}': no answer within {self.patience:g}s") from None
        except DeliveryFailed as error:
            raise Unverified(f"'{url}': {error}") from None
        return found if isinstance(found, dict) else {}


def _issuer_of(token: str) -> str:
    """As the token says: believed only after the signature."""
    if len(token) > _LONGEST_TOKEN:
        raise Unverified("the token is too long")
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise Unverified("the bearer token is no JWT") from None
    return str(claims.get("iss", ""))


def _verified(token: str, keys: jwt.PyJWKSet, audience: str, issuers: list[str]) -> Mapping[str, Any]:
    if len(token) > _LONGEST_TOKEN:
        raise Unverified("the token is too long")
    try:
        id = jwt.get_unverified_header(token).get("kid")
        candidates = [key for key in keys.keys if id is None or key.key_id == id]
        if not candidates:
            raise Unverified("the token is signed with an unknown key")
        required = {"require": ["exp", "aud", "iss"]}
        claims: dict[str, Any] = jwt.decode(
            token,
            candidates[0],
            algorithms=list(_ALGORITHMS),
            audience=audience,
            issuer=issuers,
            options=required,  # type: ignore[arg-type]
        )
    except jwt.PyJWTError as error:
        raise Unverified(f"the token is refused: {type(error).__name__}") from None
    return claims
