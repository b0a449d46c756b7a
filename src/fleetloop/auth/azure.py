"""Access tokens of Azure: for a ServiceAccount by federation, for the process by what its SDK finds around it.

Flux: source-kustomize.md 3.2. The SDK blocks; it runs in a thread with timeouts of its own.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fleetloop.auth.errors import IdentityError, SdkMissing
from fleetloop.auth.git_credentials import ProxyAccess
from fleetloop.auth.identity import WorkloadIdentity
from fleetloop.auth.proxy import proxies_of
from fleetloop.auth.tokens import Token

TENANT_ANNOTATION, CLIENT_ANNOTATION = "azure.workload.identity/tenant-id", "azure.workload.identity/client-id"
AUDIENCE = "api://AzureADTokenExchange"
DEVOPS_SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
STORAGE_SCOPE = "https://storage.azure.com/.default"
_LIMITS = {"connection_timeout": 10, "read_timeout": 10, "retry_total": 2}  # seconds, and tries again
_PEOPLE = (  # credentials of people at a machine: programs that a controller must not start
    *("cli", "developer_cli", "powershell", "visual_studio_code", "shared_token_cache", "broker"),
    "interactive_browser",
)


@dataclass(frozen=True, slots=True)
class AzureClient:
    """A client by its secret or by its certificate, PEM or PKCS#12 with its key; without either a managed identity of the node.
    `authority`: a URL, "" for the environment's."""

    tenant: str
    client: str
    secret: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    password: str = field(default="", repr=False)
    sends_chain: bool = False
    authority: str = ""


async def azure_client_token(login: AzureClient, scope: str, proxy: ProxyAccess | None = None) -> Token:
    """A bearer token for `scope`. Raises IdentityError."""
    return await asyncio.to_thread(_by_client, login, scope, proxies_of(proxy))


def _by_client(login: AzureClient, scope: str, proxies: Mapping[str, str]) -> Token:
    try:
        with _credential(login, proxies) as credential:
            return _token(credential, scope)
    except (TypeError, ValueError) as error:  # of what is no certificate, of its password, of a malformed tenant
        raise IdentityError(f"failed to get a token of Azure: {_first_line(error)}") from None


def _credential(login: AzureClient, proxies: Mapping[str, str]) -> Any:
    sdk, options = _sdk(), {**_options(proxies), "disable_instance_discovery": True}
    if login.authority:
        options["authority"] = login.authority
    if login.secret:
        return sdk.ClientSecretCredential(login.tenant, login.client, login.secret, **options)
    if login.certificate:
        options |= {"certificate_data": login.certificate, "send_certificate_chain": login.sends_chain}
        return sdk.CertificateCredential(login.tenant, login.client, password=login.password or None, **options)
    return sdk.ManagedIdentityCredential(client_id=login.client, **_options({}))


async def azure_token(identity: WorkloadIdentity, scope: str, proxy: ProxyAccess | None = None) -> Token:
    """A bearer token for `scope`. The authority is the environment's `AZURE_AUTHORITY_HOST`. Our own is asked for past the proxy:
    a node tells it over plain HTTP. Raises IdentityError."""
    if identity.request_token is None:
        return await asyncio.to_thread(_own_token, scope)
    tenant, client = identity.annotation(TENANT_ANNOTATION), identity.annotation(CLIENT_ANNOTATION)
    assertion = await identity.token(AUDIENCE)
    return await asyncio.to_thread(_exchanged, tenant, client, assertion, scope, proxies_of(proxy))


def _exchanged(tenant: str, client: str, assertion: str, scope: str, proxies: Mapping[str, str]) -> Token:
    sdk = _sdk()
    try:
        # Instance discovery would ask a public host whether the authority, which the operator chose, is one of Azure's.
        options = {**_options(proxies), "disable_instance_discovery": True}
        with sdk.ClientAssertionCredential(tenant, client, lambda: assertion, **options) as credential:
            return _token(credential, scope)
    except ValueError as error:  # a malformed tenant
        raise IdentityError(f"failed to get a token of Azure: {_first_line(error)}") from None


def _own_token(scope: str) -> Token:
    sdk = _sdk()
    excluded = {f"exclude_{name}_credential": True for name in _PEOPLE}
    with sdk.DefaultAzureCredential(**_options({}), **excluded) as credential:
        return _token(credential, scope)


def _token(credential: Any, scope: str) -> Token:
    from azure.core.exceptions import AzureError

    try:
        found = credential.get_token(scope)
    except AzureError as error:
        raise IdentityError(f"failed to get a token of Azure: {_first_line(error)}") from None
    return Token(str(found.token), float(found.expires_on))


def _sdk() -> Any:
    """Raises SdkMissing."""
    try:
        import azure.identity
    except ImportError:
        raise SdkMissing("Azure", "azure") from None
    return azure.identity


def _options(proxies: Mapping[str, str]) -> dict[str, Any]:
    return {**_LIMITS, "proxies": dict(proxies)} if proxies else dict(_LIMITS)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]  # advice of several screens follows
