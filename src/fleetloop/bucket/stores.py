"""Which store a bucket is in, and what opens it. The only module that knows the library. Opens nothing until it is used."""

from collections.abc import Mapping
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
    """One of: a key of the account, a SAS key, a bearer token; none is anonymous."""

    account_key: str = field(default="", repr=False)
    sas_key: str = field(default="", repr=False)
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


def _as(credential: Mapping[str, Any], config: dict[str, Any], place: Place) -> dict[str, Any]:
    """Arguments of a store, as nobody without a credential. What the library finds around the process would go before some of
    what it is told in `config`: tenants' endpoints would see who the controller is."""
    if not credential:
        return {"config": config | {"skip_signature": True}, "client_options": _client(place)}
    given = {**credential, "expires_at": None}
    return {"config": config, "credential_provider": lambda: given, "client_options": _client(place)}


def _s3(place: Place, login: S3Login) -> S3Store:
    scheme = "http" if place.insecure else "https"
    config: dict[str, Any] = {
        "endpoint": f"{scheme}://{place.endpoint}",
        "region": place.region or "us-east-1",
        "virtual_hosted_style_request": False,
    }
    given = {"access_key_id": login.access_key, "secret_access_key": login.secret_key, "token": login.session_token or None}
    return S3Store(place.bucket, **_as(given if login.access_key else {}, config, place))


def _google(place: Place, login: GoogleLogin) -> GCSStore:
    if not login.service_account:
        return GCSStore(place.bucket, **_as({"token": login.token}, {}, place))
    config: dict[str, Any] = {"service_account_key": login.service_account}
    return GCSStore(place.bucket, config=config, client_options=_client(place))  # type: ignore[arg-type]


def _azure(place: Place, login: AzureLogin) -> AzureStore:
    host = urlsplit(place.endpoint).hostname or ""
    config: dict[str, Any] = {"account_name": host.partition(".")[0], "endpoint": place.endpoint.rstrip("/")}
    forms = {"access_key": login.account_key, "sas_token": login.sas_key.removeprefix("?"), "token": login.token}
    given = {form: value for form, value in forms.items() if value}
    return AzureStore(place.bucket, **_as(given, config, place))
