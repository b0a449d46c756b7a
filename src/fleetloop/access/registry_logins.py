"""Logins at the registries of clouds, by cloud identity. Flux: source-kustomize.md 3.5."""

import asyncio
from dataclasses import dataclass

from fleetloop import auth, oci
from fleetloop.access.identities import GateDisabled, Identities
from fleetloop.api import reasons
from fleetloop.api.meta import Object
from fleetloop.auth import ProxyAccess, Subject, TokenCache
from fleetloop.controllers.source.failures import FetchFailed, Refused

_TIMEOUT = 60.0  # seconds for a login, all waits of its fetching together


@dataclass(frozen=True, slots=True)
class RegistryLogins:
    """For the sources of one controller. Logins come from a cache for most of their lifetime."""

    identities: Identities
    tokens: TokenCache

    async def login(
        self, provider: str, owner: Object, service_account: str, repository: oci.Repository, proxy: ProxyAccess | None
    ) -> oci.Login:
        """Raises FetchFailed, Refused."""
        try:
            registry = auth.cloud_registry(provider, repository.host)
            identity = await self.identities.of(owner.namespace, service_account)
            key = ("registry", *registry.cache_key, identity.cache_key, proxy)
            subject = Subject(owner.kind, owner.name, owner.namespace, "reconcile")
            async with asyncio.timeout(_TIMEOUT):
                found = await self.tokens.get(key, lambda: registry.login(identity, proxy), subject)
        except GateDisabled as error:
            raise Refused(reasons.FEATURE_GATE_DISABLED, str(error)) from error
        except TimeoutError as error:
            raise _failed(provider, f"no login within {_TIMEOUT:g}s") from error
        except auth.IdentityError as error:
            raise _failed(provider, str(error)) from error
        return oci.Login(found.username, found.password)


def _failed(provider: str, why: str) -> FetchFailed:
    return FetchFailed(reasons.AUTHENTICATION_FAILED, f"failed to get credential from {provider}: {why}")
