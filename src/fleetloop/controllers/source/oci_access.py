"""What opens a registry for a source: its Secret, its service account's pull secrets, or its cloud's login; TLS and proxy.

Flux: source-kustomize.md 3.5 (SK11: a Secret of its own silently puts the cloud's login aside).
"""

import asyncio
import functools
import ssl
from dataclasses import dataclass

from fleetloop import oci
from fleetloop.access.identities import GateDisabled
from fleetloop.access.registry_logins import RegistryLogins, RegistrySpec
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api import reasons
from fleetloop.api.meta import LocalObjectReference, Object
from fleetloop.auth import IdentityError, InvalidSecret, ProxyAccess, proxy_access
from fleetloop.auth.proxy import proxy_url
from fleetloop.auth.tls import tls_context
from fleetloop.controllers.source.failures import FetchFailed, Refused
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, ServerFailed
from fleetloop.kube.objects import ObjectRef


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
            documents.append(await self._docker_config(namespace, spec.secret_ref.name))
        if service_account:
            try:
                account = await self.kube.get(ObjectRef("v1", "ServiceAccount", namespace, service_account))
            except ServerFailed:
                raise
            except ApiError as error:
                raise _unauthenticated(f"failed to get credential: {error}") from error
            names = [item["name"] for item in account.get("imagePullSecrets") or []]
            documents += [await self._docker_config(namespace, name) for name in names]
        try:
            return oci.Keychain.of_docker_config(*documents)
        except oci.AuthenticationFailed as error:
            raise _unauthenticated(f"failed to get credential: {error}") from error

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

    async def _docker_config(self, namespace: str, name: str) -> bytes:
        data = await self._secret(namespace, name, "failed to get credential")
        config = data.get(oci.DOCKER_CONFIG)
        if config is None:
            raise _unauthenticated(f"failed to get credential: secret '{namespace}/{name}' has no key {oci.DOCKER_CONFIG}")
        return config

    async def _tls(self, namespace: str, spec: RegistrySpec, repository: oci.Repository) -> ssl.SSLContext | None:
        what = f"failed to generate transport for '{repository}'"
        if spec.cert_secret_ref is None:
            return _unverified() if spec.insecure else None
        data = await self._secret(namespace, spec.cert_secret_ref.name, what)
        certificate, key = data.get("tls.crt", b""), data.get("tls.key", b"")
        try:
            if bool(certificate) != bool(key):
                raise InvalidSecret("'tls.crt' and 'tls.key' are required together")
            return await asyncio.to_thread(tls_context, data.get("ca.crt", b""), certificate, key)
        except InvalidSecret as error:
            name = f"{namespace}/{spec.cert_secret_ref.name}"
            raise _unauthenticated(f"{what}: invalid TLS secret '{name}': {error}") from error

    async def _proxy(self, namespace: str, ref: LocalObjectReference) -> ProxyAccess:
        what = "failed to get proxy address"
        try:
            found = proxy_access(await self._secret(namespace, ref.name, what))
        except InvalidSecret as error:
            raise _unauthenticated(f"{what}: invalid proxy secret '{namespace}/{ref.name}': {error}") from error
        if found.address.startswith("socks5"):
            raise _unauthenticated(f"{what}: invalid proxy secret '{namespace}/{ref.name}': registries need an HTTP proxy")
        return found

    async def _secret(self, namespace: str, name: str, what: str) -> dict[str, bytes]:
        try:
            return await read_secret(self.kube, namespace, name)
        except SecretUnavailable as error:
            raise _unauthenticated(f"{what}: {error}") from error


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
