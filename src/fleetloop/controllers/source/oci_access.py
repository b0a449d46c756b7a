"""What opens a registry for a source: its Secret, its service account's pull secrets, or its cloud's login; TLS and proxy.

Flux: source-kustomize.md 3.5 (SK11: a Secret of its own silently puts the cloud's login aside), 5.1: a HelmRepository's
Secret may also hold user and password, which are for the host of its URL alone, and what is for TLS.
"""

import asyncio
import functools
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from fleetloop import oci
from fleetloop.access.identities import GateDisabled
from fleetloop.access.registry_logins import RegistryLogins, RegistrySpec
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api import reasons
from fleetloop.api.meta import LocalObjectReference, Object
from fleetloop.api.source import HelmRepositorySpec
from fleetloop.auth import IdentityError, InvalidSecret, ProxyAccess, proxy_access
from fleetloop.auth.proxy import proxy_url
from fleetloop.auth.tls import tls_of_secret
from fleetloop.controllers.source.failures import FetchFailed, Refused
from fleetloop.controllers.source.helm_access import username_and_password
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, ServerFailed
from fleetloop.kube.objects import ObjectRef

_CREDENTIAL = "failed to get credential"


@dataclass(frozen=True, slots=True)
class OciAccess:
    """For the sources of one controller."""

    kube: Kube
    clouds: RegistryLogins

    async def of(
        self,
        owner: Object,
        spec: RegistrySpec,
        repository: oci.Repository,
        service_account: str = "",
        proxy_secret: LocalObjectReference | None = None,
    ) -> oci.Access:
        """`owner`: whose pass this is. Raises FetchFailed, Refused."""
        namespace = owner.namespace
        proxy = await self._proxy(namespace, proxy_secret) if proxy_secret else None
        keychain = await self._keychain(namespace, spec, service_account)
        if not keychain and spec.provider != "generic":
            keychain = await self._by_cloud(owner, spec, service_account, repository, proxy)
        return oci.Access(
            keychain, await self._tls(namespace, spec, repository), spec.insecure, proxy_url(proxy) if proxy else ""
        )

    async def _keychain(self, namespace: str, spec: RegistrySpec, service_account: str) -> oci.Keychain:
        """The Secret first, then what the service account pulls images with."""
        documents = []
        if spec.secret_ref:
            name = spec.secret_ref.name
            data = await self._secret(namespace, name, _CREDENTIAL)
            if isinstance(spec, HelmRepositorySpec) and oci.DOCKER_CONFIG not in data:
                return _by_password(spec.url, *username_and_password(data, f"{namespace}/{name}"))
            documents.append(_docker_config(data, f"{namespace}/{name}"))
        if service_account:
            try:
                account = await self.kube.get(ObjectRef("v1", "ServiceAccount", namespace, service_account))
            except ServerFailed:
                raise
            except ApiError as error:
                raise _unauthenticated(f"{_CREDENTIAL}: {error}") from error
            for name in [item["name"] for item in account.get("imagePullSecrets") or []]:
                documents.append(_docker_config(await self._secret(namespace, name, _CREDENTIAL), f"{namespace}/{name}"))
        try:
            return oci.Keychain.of_docker_config(*documents)
        except oci.AuthenticationFailed as error:
            raise _unauthenticated(f"{_CREDENTIAL}: {error}") from error

    async def _by_cloud(
        self, owner: Object, spec: RegistrySpec, service_account: str, repository: oci.Repository, proxy: ProxyAccess | None
    ) -> oci.Keychain:
        try:
            found = await self.clouds.login(owner, spec, service_account, repository.host, proxy)
        except GateDisabled as error:
            raise Refused(reasons.FEATURE_GATE_DISABLED, str(error)) from error
        except IdentityError as error:
            raise _unauthenticated(str(error)) from error
        return oci.Keychain([(repository.host, oci.Login(found.username, found.password))])

    async def _tls(self, namespace: str, spec: RegistrySpec, repository: oci.Repository) -> ssl.SSLContext | None:
        what, ref = f"failed to generate transport for '{repository}'", spec.cert_secret_ref
        if ref is None and isinstance(spec, HelmRepositorySpec):
            ref = spec.secret_ref
        try:
            data = await self._secret(namespace, ref.name, what) if ref else {}
            found = await asyncio.to_thread(tls_of_secret, data)
        except InvalidSecret as error:
            raise _unauthenticated(f"{what}: invalid TLS secret '{namespace}/{ref.name if ref else ''}': {error}") from error
        return _unverified() if found is None and spec.insecure and spec.cert_secret_ref is None else found

    async def _proxy(self, namespace: str, ref: LocalObjectReference) -> ProxyAccess:
        what = "failed to get proxy address"
        try:
            return proxy_access(await self._secret(namespace, ref.name, what))
        except InvalidSecret as error:
            raise _unauthenticated(f"{what}: invalid proxy secret '{namespace}/{ref.name}': {error}") from error

    async def _secret(self, namespace: str, name: str, what: str) -> dict[str, bytes]:
        try:
            return await read_secret(self.kube, namespace, name)
        except SecretUnavailable as error:
            raise _unauthenticated(f"{what}: {error}") from error


def _by_password(url: str, username: str, password: str) -> oci.Keychain:
    """For the URL's own host: an index may name charts of other registries."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    return oci.Keychain([(host, oci.Login(username, password))] if username else [])


def _docker_config(data: dict[str, bytes], secret: str) -> bytes:
    config = data.get(oci.DOCKER_CONFIG)
    if config is None:
        raise _unauthenticated(f"{_CREDENTIAL}: secret '{secret}' has no key {oci.DOCKER_CONFIG}")
    return config


def _unauthenticated(message: str) -> FetchFailed:
    return FetchFailed(reasons.AUTHENTICATION_FAILED, message)


@functools.cache
def _unverified() -> ssl.SSLContext:
    """What `insecure` without a certificate means for registries (SK11). One for all, so that their connections are used again;
    no authorities are read, which takes tens of milliseconds, since none is asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
