"""What opens a chart repository: its Secrets, as basic authentication and TLS. Flux: source-kustomize.md 5.1."""

import asyncio
import ssl

from fleetloop import helm_index
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api import reasons
from fleetloop.api.source import HelmRepository
from fleetloop.auth import InvalidSecret
from fleetloop.auth.tls import tls_of_secret
from fleetloop.controllers.source.failures import FetchFailed
from fleetloop.kube.client import Kube

_OPTIONS = "failed to configure Helm client options"


async def helm_access(kube: Kube, repository: HelmRepository) -> helm_index.Access:
    """Raises FetchFailed."""
    spec, namespace = repository.spec, repository.namespace
    data = await _secret(kube, namespace, spec.secret_ref.name) if spec.secret_ref else {}
    tls_data = await _secret(kube, namespace, spec.cert_secret_ref.name) if spec.cert_secret_ref else data
    name = spec.secret_ref.name if spec.secret_ref else ""
    username, password = username_and_password(data, f"{namespace}/{name}")
    return helm_index.Access(username, password, await _tls(tls_data), spec.pass_credentials)


def username_and_password(data: dict[str, bytes], secret: str) -> tuple[str, str]:
    """Both empty when the Secret has neither. Raises FetchFailed."""
    username, password = (_text(data, key) for key in ("username", "password"))
    if bool(username) != bool(password):
        raise _refused(f"invalid secret '{secret}': required fields 'username' and 'password'")
    return username, password


async def _tls(data: dict[str, bytes]) -> ssl.SSLContext | None:
    try:
        return await asyncio.to_thread(tls_of_secret, data)
    except InvalidSecret as error:
        raise _refused(str(error)) from error


async def _secret(kube: Kube, namespace: str, name: str) -> dict[str, bytes]:
    try:
        return await read_secret(kube, namespace, name)
    except SecretUnavailable as error:
        raise FetchFailed(reasons.AUTHENTICATION_FAILED, str(error)) from error


def _text(data: dict[str, bytes], key: str) -> str:
    try:
        return data.get(key, b"").decode()
    except UnicodeDecodeError:
        raise _refused(f"'{key}' is not UTF-8 text") from None


def _refused(reason: str) -> FetchFailed:
    return FetchFailed(reasons.AUTHENTICATION_FAILED, f"{_OPTIONS}: {reason}")
