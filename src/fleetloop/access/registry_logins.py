"""Logins at the registries of clouds, by cloud identity. Flux: source-kustomize.md 3.5, helm-notification-image.md 4.1."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from fleetloop import auth
from fleetloop.access.identities import Identities
from fleetloop.api.meta import LocalObjectReference, Object
from fleetloop.auth import IdentityError, ProxyAccess, RegistryLogin, Subject, TokenCache

_TIMEOUT = 60.0  # seconds for a login, all waits of its fetching together


class RegistrySpec(Protocol):
    """The fields that OCIRepository, HelmRepository and ImageRepository have in common."""

    @property
    def secret_ref(self) -> LocalObjectReference | None: ...
    @property
    def cert_secret_ref(self) -> LocalObjectReference | None: ...
    @property
    def insecure(self) -> bool: ...
    @property
    def provider(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RegistryLogins:
    """For the objects of one controller. Logins come from a cache for most of their lifetime."""

    identities: Identities
    tokens: TokenCache

    async def login(
        self, owner: Object, spec: RegistrySpec, service_account: str, host: str, proxy: ProxyAccess | None
    ) -> RegistryLogin:
        """At `host`, for a pass of `owner`. Raises GateDisabled, IdentityError."""
        failed = f"failed to get credential from {spec.provider}"
        try:
            registry = auth.cloud_registry(spec.provider, host)
            identity = await self.identities.of(owner.namespace, service_account)
            if identity is auth.OWN_IDENTITY:
                _check_route(spec, proxy)
            key = ("registry", *registry.cache_key, identity.cache_key, proxy)
            subject = Subject(owner.kind, owner.name, owner.namespace, "reconcile")
            async with asyncio.timeout(_TIMEOUT):
                return await self.tokens.get(key, lambda: registry.login(identity, proxy), subject)
        except TimeoutError as error:
            raise IdentityError(f"{failed}: no login within {_TIMEOUT:g}s") from error
        except IdentityError as error:
            raise IdentityError(f"{failed}: {error}") from error


def _check_route(spec: RegistrySpec, proxy: ProxyAccess | None) -> None:
    """The controller's own login opens what no tenant may read: it goes where no tenant listens. Raises IdentityError."""
    own = "the controller's own identity"
    if spec.insecure:
        raise IdentityError(f"{own} is for HTTPS alone, unset spec.insecure")
    if proxy and spec.cert_secret_ref:
        raise IdentityError(
            f"{own} is not sent through spec.proxySecretRef with the authorities of spec.certSecretRef, unset one"
        )
