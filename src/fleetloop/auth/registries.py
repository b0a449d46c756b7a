"""Logins at the registries of clouds: ECR (private and public), ACR, Artifact Registry. Each only to the addresses of its cloud.

Flux: source-kustomize.md 3.5. Tenants write addresses, so that a token goes nowhere but to a registry of who gave it.
"""

import asyncio
import base64
import json
import re
import ssl
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from fleetloop.auth.aws import AwsCredentials, aws_config, aws_credentials, aws_session
from fleetloop.auth.azure import azure_token
from fleetloop.auth.errors import IdentityError
from fleetloop.auth.gcp import GOOGLE, GcpEndpoints, gcp_token
from fleetloop.auth.git_credentials import ProxyAccess
from fleetloop.auth.http import json_http
from fleetloop.auth.identity import WorkloadIdentity
from fleetloop.auth.proxy import proxies_of

_ECR = re.compile(
    r"\d{12}\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]{1,40})\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)"
)
_ECR_PUBLIC, _ECR_PUBLIC_REGION = "public.ecr.aws", "us-east-1"
_ACR = re.compile(r"[a-z0-9-]{1,100}(?:\.[a-z0-9-]{1,60})?\.azurecr\.(?P<place>io|cn|us)", re.IGNORECASE)
_GAR = re.compile(r"(?:[a-z0-9-]{1,60}\.)?gcr\.io|[a-z0-9-]{1,60}-docker\.pkg\.dev")
ARM_SCOPES = {
    "io": "https://management.azure.com/.default",
    "cn": "https://management.chinacloudapi.cn/.default",
    "us": "https://management.usgovcloudapi.net/.default",
}
_ACR_USER = "00000000-0000-0000-0000-000000000000"  # what ACR wants beside a token
_GAR_USER = "oauth2accesstoken"
_ACR_LIFE = 3 * 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """`expires_at`: seconds since 1970."""

    username: str
    password: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class RegistryEndpoints:
    """Where tokens are given. `acr`: in place of the registry's own address."""

    gcp: GcpEndpoints = GOOGLE
    acr: str = ""


CLOUDS = RegistryEndpoints()


@dataclass(frozen=True, slots=True)
class CloudRegistry:
    """A registry of `provider` at `host`. `zone`: the region of ECR, the part of Azure."""

    provider: str
    host: str
    zone: str = ""

    @property
    def cache_key(self) -> tuple[Hashable, ...]:
        """What of the registry decides the login: Google's is for all of its registries, ECR's for all of a region."""
        return (self.provider, self.zone, self.host if self.provider == "azure" or self.host == _ECR_PUBLIC else "")

    async def login(
        self,
        identity: WorkloadIdentity,
        proxy: ProxyAccess | None = None,
        endpoints: RegistryEndpoints = CLOUDS,
        trust: ssl.SSLContext | None = None,
    ) -> RegistryLogin:
        """`trust`: for HTTPS to ACR, None for the system's. Raises IdentityError."""
        match self.provider:
            case "aws":
                credentials = await aws_credentials(identity, self.zone, proxy)
                return await asyncio.to_thread(_ecr_login, credentials, self, proxies_of(proxy))
            case "azure":
                token = await azure_token(identity, ARM_SCOPES[self.zone], proxy)
                trusted = trust if trust is not None else await asyncio.to_thread(ssl.create_default_context)
                return await _acr_login(token.value, self.host, endpoints.acr or f"https://{self.host}", trusted, proxy)
            case _:
                found = await gcp_token(identity, proxy=proxy, endpoints=endpoints.gcp)
                return RegistryLogin(_GAR_USER, found.value, found.expires_at)


def cloud_registry(provider: str, host: str) -> CloudRegistry:
    """Raises IdentityError when the address is none of the provider's registries."""
    match provider:
        case "aws" if host == _ECR_PUBLIC:
            return CloudRegistry(provider, host, _ECR_PUBLIC_REGION)
        case "aws" if found := _ECR.fullmatch(host):
            return CloudRegistry(provider, host, found["region"])
        case "azure" if found := _ACR.fullmatch(host):
            return CloudRegistry(provider, host, found["place"].lower())
        case "gcp" if _GAR.fullmatch(host):
            return CloudRegistry(provider, host)
        case _:
            raise IdentityError(f"'{host}' is no registry of provider '{provider}'")


def _ecr_login(credentials: AwsCredentials, registry: CloudRegistry, proxies: Mapping[str, str]) -> RegistryLogin:
    session, errors = aws_session()
    session.set_credentials(credentials.access_key, credentials.secret_key, credentials.session_token or None)
    service = "ecr-public" if registry.host == _ECR_PUBLIC else "ecr"
    try:
        client = session.create_client(service, region_name=registry.zone, config=aws_config(proxies, signed=True))
        found = client.get_authorization_token()["authorizationData"]
        data = found if isinstance(found, dict) else found[0]
        username, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return RegistryLogin(username, password, data["expiresAt"].timestamp())
    except errors as error:
        raise IdentityError(f"failed to get a login of ECR in {registry.zone}: {error}") from None
    except (LookupError, ValueError):
        raise IdentityError(f"ECR in {registry.zone} gave no login that can be read") from None


async def _acr_login(token: str, host: str, address: str, trust: ssl.SSLContext, proxy: ProxyAccess | None) -> RegistryLogin:
    """Azure's token for one that the registry knows."""
    form = f"grant_type=access_token&service={quote(host, safe='')}&access_token={quote(token, safe='')}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with json_http(proxy, trust, headers) as http:
        status, answer = await http.exchange("POST", f"{address}/oauth2/exchange", form)
    given = answer.get("refresh_token")
    if status != 200 or not isinstance(given, str):
        raise IdentityError(f"registry '{host}' did not take the token of Azure: status {status}")
    return RegistryLogin(_ACR_USER, given, _expiry(given))


def _expiry(token: str) -> float:
    """What the token says of its end, unverified: it only decides how long it is kept."""
    try:
        return float(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["exp"])
    except (LookupError, TypeError, ValueError):
        return time.time() + _ACR_LIFE
