"""Which store a bucket is in, and what opens it. The only module that knows the library. Opens nothing until it is used."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from obstore.store import AzureStore, GCSStore, S3Store

from fleetloop.bucket.errors import BucketError, scrubbed
from fleetloop.bucket.fetch import Opened


@dataclass(frozen=True, slots=True)
class Place:
    """`endpoint`: host[:port] for S3, a URL for Azure, unused for Google. `ca`: PEM, beside the system's. `proxy`: a URL."""

    bucket: str
    endpoint: str
    region: str = ""
    insecure: bool = False
    ca: bytes = b""
    proxy: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class S3Login:
    """Empty means anonymous."""

    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class GoogleLogin:
    """`service_account`: JSON; `token`: a bearer token in place of it. One of them."""

    service_account: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AzureLogin:
    """One of: a key of the account, a SAS key, a client's secret, a bearer token; none is anonymous."""

    account_key: str = field(default="", repr=False)
    sas_key: str = field(default="", repr=False)
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    authority_host: str = ""
    token: str = field(default="", repr=False)


Login = S3Login | GoogleLogin | AzureLogin


def open_bucket(place: Place, login: Login) -> Opened:
    """Raises BucketError for settings that cannot work."""
    try:
        match login:
            case S3Login():
                store: Any = _s3(place, login)
            case GoogleLogin():
                store = _google(place, login)
            case AzureLogin():
                store = _azure(place, login)
    except Exception as error:  # the library's own classes share no base but this
        raise BucketError(f"failed to construct the client: {scrubbed(str(error))}") from None
    return Opened(store, place.bucket)


def _client(place: Place) -> dict[str, Any]:
    options: dict[str, Any] = {"allow_http": place.insecure}
    if place.ca:
        options["root_certificate"] = place.ca
    if place.proxy:
        options["proxy_url"] = place.proxy
    return options


def _s3(place: Place, login: S3Login) -> S3Store:
    scheme = "http" if place.insecure else "https"
    config: dict[str, Any] = {
        "endpoint": f"{scheme}://{place.endpoint}",
        "region": place.region or "us-east-1",
        "virtual_hosted_style_request": False,
    }
    if login.access_key:
        config |= {"access_key_id": login.access_key, "secret_access_key": login.secret_key}
        config |= {"session_token": login.session_token} if login.session_token else {}
    else:
        config["skip_signature"] = True
    return S3Store(place.bucket, config=config, client_options=_client(place))  # type: ignore[arg-type]


def _google(place: Place, login: GoogleLogin) -> GCSStore:
    if login.service_account:
        given: dict[str, Any] = {"config": {"service_account_key": login.service_account}}
    else:
        given = {"credential_provider": lambda: {"token": login.token, "expires_at": None}}
    return GCSStore(place.bucket, **given, client_options=_client(place))  # type: ignore[arg-type]


def _azure(place: Place, login: AzureLogin) -> AzureStore:
    host = urlsplit(place.endpoint).hostname or ""
    config: dict[str, Any] = {"account_name": host.partition(".")[0], "endpoint": place.endpoint.rstrip("/")}
    given = {
        "account_key": login.account_key,
        "sas_key": login.sas_key.removeprefix("?"),
        "tenant_id": login.tenant_id,
        "client_id": login.client_id,
        "client_secret": login.client_secret,
        "authority_host": login.authority_host,
        "token": login.token,
    }
    config |= {key: value for key, value in given.items() if value}
    if not any(given.values()):
        config["skip_signature"] = True
    return AzureStore(place.bucket, config=config, client_options=_client(place))  # type: ignore[arg-type]
