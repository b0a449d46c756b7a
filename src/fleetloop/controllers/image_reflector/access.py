"""What opens the registry of an image: Secrets, a service account's pull secrets, TLS, a proxy. Flux: 4.1."""

import asyncio
import base64
import ssl
from dataclasses import dataclass

from fleetloop import oci
from fleetloop.api.image import ImageRepository
from fleetloop.auth import InvalidSecret, proxy_access
from fleetloop.auth.proxy import proxy_url
from fleetloop.auth.tls import tls_context
from fleetloop.controllers.image_reflector.failures import AuthenticationFailed, ImageUrlInvalid
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, ServerFailed
from fleetloop.kube.objects import ObjectRef

Data = dict[str, bytes]


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

    async def of(self, source: ImageRepository) -> oci.Access:
        """Raises AuthenticationFailed."""
        spec = source.spec
        if spec.provider != "generic":
            raise _refused(f"spec.provider '{spec.provider}' is not available in this version")
        documents = [await self._docker_config(source, spec.secret_ref.name)] if spec.secret_ref else []
        if spec.service_account_name:
            documents += [await self._docker_config(source, name) for name in await self._pull_secrets(source)]
        try:
            keychain = oci.Keychain.of_docker_config(*documents)
        except oci.AuthenticationFailed as error:
            raise _refused(str(error)) from error
        return oci.Access(keychain, await self._tls(source), spec.insecure, await self._proxy(source))

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
        ref = source.spec.cert_secret_ref
        if ref is None:
            return None
        data = await self._secret(source, ref.name)
        try:
            return await asyncio.to_thread(
                tls_context, data.get("ca.crt", b""), data.get("tls.crt", b""), data.get("tls.key", b"")
            )
        except InvalidSecret as error:
            raise _refused(f"invalid TLS secret '{source.namespace}/{ref.name}': {error}") from error

    async def _proxy(self, source: ImageRepository) -> str:
        ref = source.spec.proxy_secret_ref
        if ref is None:
            return ""
        try:
            return proxy_url(proxy_access(await self._secret(source, ref.name)))
        except InvalidSecret as error:
            raise _refused(f"invalid proxy secret '{source.namespace}/{ref.name}': {error}") from error

    async def _secret(self, source: ImageRepository, name: str) -> Data:
        try:
            found = await self.kube.get(ObjectRef("v1", "Secret", source.namespace, name))
        except ServerFailed:
            raise
        except ApiError as error:
            raise _refused(f"failed to get secret '{source.namespace}/{name}': {error}") from error
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}


def _refused(reason: str) -> AuthenticationFailed:
    return AuthenticationFailed(f"failed to configure authentication options: {reason}")
