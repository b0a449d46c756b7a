"""What opens the registry of an image: Secrets and a service account's pull secrets, or its cloud's login; TLS, a proxy.

Flux: helm-notification-image.md 4.1.
"""

import asyncio
import ssl
from dataclasses import dataclass

from fleetloop import oci
from fleetloop.access.identities import GateDisabled
from fleetloop.access.registry_logins import RegistryLogins
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api.image import ImageRepository
from fleetloop.auth import IdentityError, InvalidSecret, ProxyAccess, proxy_access
from fleetloop.auth.proxy import proxy_url
from fleetloop.auth.tls import tls_of_secret
from fleetloop.controllers.image_reflector.failures import AuthenticationFailed, FeatureGateDisabled, ImageUrlInvalid
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, ServerFailed
from fleetloop.kube.objects import ObjectRef


def repository_of(image: str) -> oci.Repository:
    """`spec.image`: no scheme, no tag. Raises ImageUrlInvalid."""
    if "://" in image:
        raise ImageUrlInvalid(f"URL '{image}' must not contain a scheme")
    try:
        return oci.Repository.parse(image)
    except oci.InvalidReference as error:
        raise ImageUrlInvalid(f"'{image}': {error}") from error


@dataclass(frozen=True, slots=True)
class ImageAccess:
    """For the repositories of one controller."""

    kube: Kube
    clouds: RegistryLogins

    async def of(self, source: ImageRepository) -> oci.Access:
        """A cloud's login stands in place of Secrets. Raises AuthenticationFailed, FeatureGateDisabled, ImageUrlInvalid."""
        spec = source.spec
        repository = repository_of(spec.image)
        proxy = await self._proxy(source)
        keychain = await (self._by_secrets(source) if spec.provider == "generic" else self._by_cloud(source, repository, proxy))
        return oci.Access(keychain, await self._tls(source), spec.insecure, proxy_url(proxy) if proxy else "")

    async def _by_secrets(self, source: ImageRepository) -> oci.Keychain:
        spec = source.spec
        documents = [await self._docker_config(source, spec.secret_ref.name)] if spec.secret_ref else []
        if spec.service_account_name:
            documents += [await self._docker_config(source, name) for name in await self._pull_secrets(source)]
        try:
            return oci.Keychain.of_docker_config(*documents)
        except oci.AuthenticationFailed as error:
            raise _refused(str(error)) from error

    async def _by_cloud(self, source: ImageRepository, repository: oci.Repository, proxy: ProxyAccess | None) -> oci.Keychain:
        spec = source.spec
        try:
            found = await self.clouds.login(source, spec, spec.service_account_name, repository.host, proxy)
        except GateDisabled as error:
            raise FeatureGateDisabled(str(error)) from error
        except IdentityError as error:
            raise _refused(str(error)) from error
        return oci.Keychain([(repository.host, oci.Login(found.username, found.password))])

    async def _pull_secrets(self, source: ImageRepository) -> list[str]:
        name = source.spec.service_account_name
        try:
            account = await self.kube.get(ObjectRef("v1", "ServiceAccount", source.namespace, name))
        except ServerFailed:
            raise
        except ApiError as error:
            raise _refused(f"failed to get service account '{source.namespace}/{name}': {error}") from error
        return [str(item["name"]) for item in account.get("imagePullSecrets") or []]

    async def _docker_config(self, source: ImageRepository, name: str) -> bytes:
        config = (await self._secret(source, name)).get(oci.DOCKER_CONFIG)
        if config is None:
            raise _refused(f"secret '{source.namespace}/{name}' has no key {oci.DOCKER_CONFIG}")
        return config

    async def _tls(self, source: ImageRepository) -> ssl.SSLContext | None:
        """Its certificates count beside the system's."""
        ref = source.spec.cert_secret_ref
        if ref is None:
            return None
        invalid = f"invalid TLS secret '{source.namespace}/{ref.name}'"
        try:
            found = await asyncio.to_thread(tls_of_secret, await self._secret(source, ref.name))
        except InvalidSecret as error:
            raise _refused(f"{invalid}: {error}") from error
        if found is None:
            raise _refused(f"{invalid}: it has neither 'ca.crt' nor 'tls.crt' and 'tls.key'")
        return found

    async def _proxy(self, source: ImageRepository) -> ProxyAccess | None:
        ref = source.spec.proxy_secret_ref
        if ref is None:
            return None
        invalid = f"invalid proxy secret '{source.namespace}/{ref.name}'"
        try:
            found = proxy_access(await self._secret(source, ref.name))
        except InvalidSecret as error:
            raise _refused(f"{invalid}: {error}") from error
        if found.address.startswith("socks5"):
            raise _refused(f"{invalid}: registries need an HTTP proxy")
        return found

    async def _secret(self, source: ImageRepository, name: str) -> dict[str, bytes]:
        try:
            return await read_secret(self.kube, source.namespace, name)
        except SecretUnavailable as error:
            raise _refused(str(error)) from error


def _refused(reason: str) -> AuthenticationFailed:
    return AuthenticationFailed(f"failed to configure authentication options: {reason}")
