"""What a Provider and its Secrets give: address, credentials, TLS, proxy. Flux: helm-notification-image.md 3.3."""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetloop.api import yaml
from fleetloop.api.notification import Provider
from fleetloop.auth import InvalidSecret, ProxyAccess, proxy_access
from fleetloop.auth.tls import own_tls_context
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed, TryAgain
from fleetloop.controllers.notification.identity_tokens import IdentityTokens
from fleetloop.controllers.notification.matching import CHANGE_REQUESTS, COMMIT_STATUSES
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, NotFound, Unreachable
from fleetloop.kube.objects import ObjectRef

Data = Mapping[str, bytes]
_LONGEST = 2048  # characters of an address
MASK = "*****"


@dataclass(frozen=True, slots=True)
class Access:
    """Empty means absent. `data`: the Secret as it is, for what only one type knows."""

    address: str
    token: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxy: ProxyAccess | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    is_identity: bool = False  # the token is one of a cloud's identity
    data: Data = field(default_factory=dict, repr=False)

    def masked(self, text: str) -> str:
        """Without what is secret of this access."""
        secrets = [self.token, self.password, *self.headers.values(), *(self._key_lines())]
        for secret in sorted({s for s in secrets if len(s) > 3}, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text.replace(self.token, MASK) if self.token else text

    def _key_lines(self) -> list[str]:
        return [value.decode(errors="replace").strip() for key, value in self.data.items() if key not in ("address", "username")]


@dataclass(slots=True)
class AccessReader:
    """For the Providers of one controller. Contexts of TLS are kept, so that connections are."""

    kube: Kube
    identities: IdentityTokens
    _contexts: dict[tuple[bytes, bytes, bytes], ssl.SSLContext] = field(default_factory=dict)

    async def of(self, provider: Provider) -> Access:
        """Raises DeliveryFailed, TryAgain when the API server is away."""
        spec = provider.spec
        data = await self._secret(provider, "secretRef", spec.secret_ref.name) if spec.secret_ref else {}
        address = _text(data, "address").strip() or spec.address
        if len(address) > _LONGEST:
            raise DeliveryFailed(
                f"address of provider '{provider.namespace}/{provider.name}' is longer than {_LONGEST} characters"
            )
        token, username, password = _login(data)
        proxy = await self._proxy(provider, data)
        tls = await self._tls(provider, data)
        identity = await self.identities.of(provider, data, token, address, (proxy, tls is not None))
        return Access(
            address,
            identity or token,
            username,
            password,
            _headers(data),
            proxy,
            tls,
            bool(identity),
            data,
        )

    async def _proxy(self, provider: Provider, data: Data) -> ProxyAccess | None:
        spec = provider.spec
        try:
            if spec.proxy_secret_ref:
                return proxy_access(await self._secret(provider, "proxySecretRef", spec.proxy_secret_ref.name))
            address = _text(data, "proxy").strip() or spec.proxy
            return proxy_access({"address": address.encode()}) if address else None
        except InvalidSecret as error:
            raise DeliveryFailed(f"invalid proxy of provider '{provider.namespace}/{provider.name}': {error}") from None

    async def _tls(self, provider: Provider, data: Data) -> ssl.SSLContext | None:
        """Types of forges take the certificates of the one Secret they have."""
        spec = provider.spec
        if spec.cert_secret_ref:
            data = await self._secret(provider, "certSecretRef", spec.cert_secret_ref.name)
        elif spec.type not in COMMIT_STATUSES | CHANGE_REQUESTS:
            return None
        pem = (
            data.get("ca.crt") or data.get("caFile", b""),
            data.get("tls.crt") or data.get("certFile", b""),
            data.get("tls.key") or data.get("keyFile", b""),
        )
        if not any(pem):
            return None
        if bool(pem[1]) != bool(pem[2]):
            raise DeliveryFailed(
                f"TLS secret of provider '{provider.namespace}/{provider.name}': tls.crt and tls.key go together"
            )
        if pem not in self._contexts:
            try:
                context = await asyncio.to_thread(own_tls_context, *pem)
            except InvalidSecret as error:
                raise DeliveryFailed(f"invalid TLS secret of provider '{provider.namespace}/{provider.name}': {error}") from None
            if len(self._contexts) >= 100:
                self._contexts.clear()
            self._contexts[pem] = context
        return self._contexts[pem]

    async def _secret(self, provider: Provider, field_name: str, name: str) -> dict[str, bytes]:
        try:
            found = await self.kube.get(ObjectRef("v1", "Secret", provider.namespace, name))
        except NotFound:
            raise DeliveryFailed(f"spec.{field_name}: secret '{provider.namespace}/{name}' not found") from None
        except (ApiError, Unreachable) as error:
            raise TryAgain(f"failed to read secret '{provider.namespace}/{name}': {error}") from None
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}


def _login(data: Data) -> tuple[str, str, str]:
    """Token, user, password; malformed, there is none of them."""
    token, username, password = (_text(data, key) for key in ("token", "username", "password"))
    if bool(username) != bool(password) or bool(data.get("tls.crt")) != bool(data.get("tls.key")):
        return "", "", ""
    return token.strip(), username, password


def _headers(data: Data) -> dict[str, str]:
    if "headers" not in data:
        return {}
    try:
        found = yaml.load(data["headers"])
    except yaml.InvalidYAML:
        raise DeliveryFailed("'headers' of the secret is no YAML") from None
    if found is None:
        return {}
    headers: dict[str, str] = {}
    for name, value in found.items() if isinstance(found, dict) else [("", found)]:
        if (text := yaml.text_of(value)) is None or not name:
            raise DeliveryFailed("'headers' of the secret is no map of text to text")
        headers[name] = text
    if any(sign in part for pair in headers.items() for part in pair for sign in "\r\n\0"):
        raise DeliveryFailed("'headers' of the secret holds a line break")
    return headers


def _text(data: Data, key: str) -> str:
    try:
        return data.get(key, b"").decode()
    except UnicodeDecodeError:
        raise DeliveryFailed(f"'{key}' of the secret is not UTF-8 text") from None
