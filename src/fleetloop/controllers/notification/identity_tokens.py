"""Tokens that a Provider gets instead of one in its Secret: of a GitHub App, of a key file of Google, of a cloud's identity.

Flux: helm-notification-image.md 3.3, 3.4.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleetloop.api.notification import Provider
from fleetloop.auth import (
    DEVOPS_SCOPE,
    OWN_IDENTITY,
    IdentityError,
    InvalidSecret,
    ProxyAccess,
    Subject,
    Token,
    TokenCache,
    WorkloadIdentity,
    azure_token,
    gcp_token,
    has_github_app,
)
from fleetloop.auth.gcp import CLOUD_PLATFORM
from fleetloop.auth.github_app import github_app, installation_token
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed, TryAgain
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.kube.objects import ObjectRef, annotations_of
from fleetloop.kube.service_accounts import service_account_token

_GITHUB = frozenset({"github", "githubdispatch", "githubpullrequestcomment"})
_EVENT_HUBS_SCOPE = "https://eventhubs.azure.net/.default"
_AZURE = {"azuredevops": DEVOPS_SCOPE, "azureeventhub": _EVENT_HUBS_SCOPE}


@dataclass(frozen=True, slots=True)
class IdentityTokens:
    """`per_object`: Providers may name a ServiceAccount of theirs."""

    kube: Kube
    cache: TokenCache
    per_object: bool
    default_account: str

    async def of(
        self, provider: Provider, data: Mapping[str, bytes], token: str, address: str, route: tuple[ProxyAccess | None, bool]
    ) -> str:
        """Empty when the type has none of these. `route`: the proxy, and whether the Provider brings authorities of its own.

        Raises DeliveryFailed, TryAgain.
        """
        type, proxy = provider.spec.type, route[0]
        try:
            if type in _GITHUB and not token and has_github_app(data):
                app = github_app(data)
                return await self._kept(provider, (type, *app.cache_key), lambda: installation_token(app, proxy))
            if type == "googlepubsub" and token:
                return await self._kept(provider, (type, token), lambda: _google_token(token))
            if type == "googlepubsub":
                identity = await self._identity(provider, route)
                return await self._kept(provider, (type, *identity.cache_key), lambda: gcp_token(identity, proxy=proxy))
            if type in _AZURE and not token and "SharedAccessKey" not in address:
                identity, scope = await self._identity(provider, route), _AZURE[type]
                return await self._kept(provider, (type, *identity.cache_key), lambda: azure_token(identity, scope, proxy))
        except InvalidSecret as error:
            raise DeliveryFailed(f"secret of provider '{provider.namespace}/{provider.name}': {error}") from None
        except IdentityError as error:
            raise TryAgain(str(error)) from None
        return ""

    async def _kept(self, provider: Provider, key: tuple[str, ...], fetch: Any) -> str:
        subject = Subject("Provider", provider.name, provider.namespace, "notification")
        token: Token = await self.cache.get(key, fetch, subject)
        return token.value

    async def _identity(self, provider: Provider, route: tuple[ProxyAccess | None, bool]) -> WorkloadIdentity:
        """The controller's own goes nowhere that a tenant could listen. Raises DeliveryFailed."""
        name = provider.spec.service_account_name or self.default_account
        if not name and all(route):
            raise DeliveryFailed(
                "the controller's own identity is not sent through spec.proxySecretRef with the authorities of"
                " spec.certSecretRef, unset one or set spec.serviceAccountName"
            )
        if not name:
            return OWN_IDENTITY
        if not self.per_object:
            raise DeliveryFailed("spec.serviceAccountName needs the feature gate ObjectLevelWorkloadIdentity=true")
        ref = ObjectRef("v1", "ServiceAccount", provider.namespace, name)
        try:
            annotations = annotations_of(await self.kube.get(ref))
        except (ApiError, Unreachable) as error:
            raise TryAgain(f"failed to read service account '{provider.namespace}/{name}': {error}") from None

        async def request(audience: str) -> str:
            try:
                return await service_account_token(self.kube, ref.namespace, name, [audience])
            except (ApiError, Unreachable) as error:
                raise IdentityError(f"failed to get a token of service account '{ref.namespace}/{name}': {error}") from None

        return WorkloadIdentity(annotations, request, provider.namespace, name)


async def _google_token(credentials: str) -> Token:
    """From the JSON key of a service account of Google."""
    return await asyncio.to_thread(_google_token_now, credentials)


def _google_token_now(credentials: str) -> Token:
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
        from google.oauth2 import service_account
    except ImportError:
        raise IdentityError("tokens of Google Cloud need the extra 'gcp'") from None
    try:
        make: Any = service_account.Credentials.from_service_account_info
        found = make(json.loads(credentials), scopes=[CLOUD_PLATFORM])
        request: Any = Request
        found.refresh(request())
    except ValueError:
        raise InvalidSecret("'token' is no JSON key of a service account") from None
    except GoogleAuthError as error:
        raise IdentityError(f"failed to get a token of Google Cloud: {error}") from None
    return Token(str(found.token), found.expiry.timestamp())
