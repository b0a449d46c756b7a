"""Logins at the registries of clouds, by cloud identity. Flux: source-kustomize.md 3.5, helm-notification-image.md 4.1."""

import asyncio
from dataclasses import dataclass

from fleetloop import auth
from fleetloop.access.identities import Identities
from fleetloop.api.meta import Object
from fleetloop.auth import IdentityError, ProxyAccess, RegistryLogin, Subject, TokenCache

_TIMEOUT = 60.0  # seconds for a login, all waits of its fetching together


@dataclass(frozen=True, slots=True)
class RegistryLogins:
    """For the objects of one controller. Logins come from a cache for most of their lifetime."""

    identities: Identities
    tokens: TokenCache

    async def login(
        self, provider: str, owner: Object, service_account: str, host: str, proxy: ProxyAccess | None
    ) -> RegistryLogin:
        """At `host`, for a pass of `owner`. Raises GateDisabled, IdentityError."""
        failed = f"failed to get credential from {provider}"
        try:
            registry = auth.cloud_registry(provider, host)
            identity = await self.identities.of(owner.namespace, service_account)
            key = ("registry", *registry.cache_key, identity.cache_key, proxy)
            subject = Subject(owner.kind, owner.name, owner.namespace, "reconcile")
            async with asyncio.timeout(_TIMEOUT):
                return await self.tokens.get(key, lambda: registry.login(identity, proxy), subject)
        except TimeoutError as error:
            raise IdentityError(f"{failed}: no login within {_TIMEOUT:g}s") from error
        except IdentityError as error:
            raise IdentityError(f"{failed}: {error}") from error
