"""Access tokens of Google Cloud: for a ServiceAccount by federation, for the process by its default credentials.

Flux: helm-notification-image.md 2.2. The SDK blocks; it runs in a thread with timeouts of its own.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fleetloop.auth.errors import IdentityError, SdkMissing
from fleetloop.auth.git_credentials import ProxyAccess
from fleetloop.auth.identity import WorkloadIdentity
from fleetloop.auth.proxy import proxies_of
from fleetloop.auth.tokens import Token

EMAIL_ANNOTATION = "iam.gke.io/gcp-service-account"
PROVIDER_ANNOTATION = "gcp.auth.fluxcd.io/workload-identity-provider"
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
_PROVIDER = re.compile(r"projects/\d{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}")
_EMAIL = re.compile(r"[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}\.iam\.gserviceaccount\.com")
_TIMEOUT = 10.0  # seconds
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_Request: TypeAlias = Any  # google.auth.transport.requests.Request


@dataclass(frozen=True, slots=True)
class GcpEndpoints:
    """Where Google's services are. The metadata server is the environment's `GCE_METADATA_HOST`."""

    sts: str = "https://sts.googleapis.com/v1/token"
    iam_credentials: str = "https://iamcredentials.googleapis.com"


GOOGLE = GcpEndpoints()


async def gcp_token(
    identity: WorkloadIdentity,
    scopes: Sequence[str] = (CLOUD_PLATFORM,),
    proxy: ProxyAccess | None = None,
    endpoints: GcpEndpoints = GOOGLE,
) -> Token:
    """A bearer token. Our own is asked for past the proxy: a node tells it over plain HTTP. Raises IdentityError."""
    if identity.request_token is None:
        return await asyncio.to_thread(_own_token, scopes)
    proxies = proxies_of(proxy)
    for_kubernetes, for_google = await _audiences(identity)
    email = identity.annotations.get(EMAIL_ANNOTATION, "")
    if email and not _EMAIL.fullmatch(email):
        raise IdentityError(f"annotation {EMAIL_ANNOTATION} is no service account of Google Cloud: '{email[:200]}'")
    subject = await identity.token(for_kubernetes)
    return await asyncio.to_thread(_exchanged, subject, for_google, email, scopes, proxies, endpoints)


async def _audiences(identity: WorkloadIdentity) -> tuple[str, str]:
    """Of the ServiceAccount's token, and of the exchange: the annotated provider, else the GKE cluster we run in."""
    provider = identity.annotations.get(PROVIDER_ANNOTATION, "")
    if not provider:
        return await asyncio.to_thread(_audiences_of_gke)
    if not _PROVIDER.fullmatch(provider):
        raise IdentityError(f"annotation {PROVIDER_ANNOTATION} is no workload identity provider: '{provider[:300]}'")
    return (f"//iam.googleapis.com/{provider}",) * 2


def _audiences_of_gke() -> tuple[str, str]:
    request = _request({})
    from google.auth import exceptions
    from google.auth.compute_engine import _metadata

    get: Any = _metadata.get
    try:
        paths = ("project/project-id", "instance/attributes/cluster-location", "instance/attributes/cluster-name")
        project, location, cluster = (get(request, path, timeout=_TIMEOUT, retry_count=2) for path in paths)
    except exceptions.GoogleAuthError as error:
        hint = f"outside GKE the ServiceAccount needs annotation {PROVIDER_ANNOTATION}"
        raise IdentityError(f"failed to read the GKE cluster's metadata: {error}; {hint}") from None
    pool = f"{project}.svc.id.goog"
    place = f"projects/{project}/locations/{location}/clusters/{cluster}"
    return pool, f"identitynamespace:{pool}:https://container.googleapis.com/v1/{place}"


def _exchanged(
    subject: str, audience: str, email: str, scopes: Sequence[str], proxies: Mapping[str, str], endpoints: GcpEndpoints
) -> Token:
    request = _request(proxies)
    from google.auth import identity_pool

    class Supplier(identity_pool.SubjectTokenSupplier):
        def get_subject_token(self, context: Any, request: Any) -> str:
            return subject

    impersonation = f"{endpoints.iam_credentials}/v1/projects/-/serviceAccounts/{email}:generateAccessToken"
    make: Any = identity_pool.Credentials
    credentials = make(
        audience,
        _JWT,
        token_url=endpoints.sts,
        subject_token_supplier=Supplier(),
        service_account_impersonation_url=impersonation if email else None,
        scopes=list(scopes),
    )
    return _token(credentials, request)


def _own_token(scopes: Sequence[str]) -> Token:
    request = _request({})
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        credentials, _ = google.auth.default(scopes=list(scopes), request=request)
    except GoogleAuthError as error:
        raise IdentityError(f"failed to get a token of Google Cloud: {error}") from None
    return _token(credentials, request)


def _token(credentials: Any, request: _Request) -> Token:
    import datetime

    from google.auth.exceptions import GoogleAuthError

    try:
        credentials.refresh(request)
    except GoogleAuthError as error:
        raise IdentityError(f"failed to get a token of Google Cloud: {error.args[0] if error.args else error}") from None
    expiry = credentials.expiry or datetime.datetime.fromtimestamp(0)
    return Token(str(credentials.token), expiry.replace(tzinfo=datetime.UTC).timestamp())


def _request(proxies: Mapping[str, str]) -> _Request:
    """HTTP as the SDK wants it, every wait bounded. Raises SdkMissing."""
    try:
        import requests
        from google.auth.transport.requests import Request
    except ImportError:
        raise SdkMissing("Google Cloud", "gcp") from None
    session = requests.Session()
    session.proxies.update(proxies)
    plain: Any = Request(session)

    def bounded(*arguments: Any, timeout: float = _TIMEOUT, **options: Any) -> Any:
        return plain(*arguments, timeout=min(timeout or _TIMEOUT, _TIMEOUT), **options)

    return bounded
