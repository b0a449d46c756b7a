"""Credentials of AWS: for a ServiceAccount by its role, for the process by the chain its SDK knows.

Flux: source-kustomize.md 3.2. The SDK blocks; it runs in a thread with timeouts of its own.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fleetloop.auth.errors import IdentityError, SdkMissing
from fleetloop.auth.git_credentials import ProxyAccess
from fleetloop.auth.identity import WorkloadIdentity
from fleetloop.auth.proxy import proxies_of

ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
AUDIENCE = "sts.amazonaws.com"
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{1,30}:role/.{1,200}")
_STS = re.compile(
    r"https://((sts(-fips)?(\.[a-z0-9-]+-\d+)?)|(vpce-[a-z0-9-]+\.sts\.[a-z0-9-]+-\d+\.vpce))\.amazonaws\.com(\.cn)?/?"
)
_NO_EXPIRY = 3600.0  # seconds after which keys that do not expire are read again
_TIMEOUT = 10.0  # seconds to connect, and to read
_LONGEST_SESSION_NAME = 64


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """`expires_at`: seconds since 1970."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    expires_at: float = 0.0


async def aws_credentials(
    identity: WorkloadIdentity, region: str, proxy: ProxyAccess | None = None, sts_endpoint: str = ""
) -> AwsCredentials:
    """`region`: whose STS is asked; "" for the environment's. `sts_endpoint`: its URL, where somebody chose it; the process's own
    tokens go to AWS alone. Raises IdentityError."""
    if proxy is not None and proxy.address.startswith("socks5://"):
        raise IdentityError("credentials of AWS cannot be fetched through a SOCKS5 proxy, use an HTTP proxy")
    proxies = proxies_of(proxy)
    if identity.request_token is None:
        if sts_endpoint and not _STS.fullmatch(sts_endpoint):
            raise IdentityError(f"STS endpoint '{sts_endpoint[:300]}' is none of AWS, set a service account to use another one")
        return await asyncio.to_thread(_by_environment, region, proxies, sts_endpoint)
    role = identity.annotation(ROLE_ANNOTATION)
    if not _ROLE.fullmatch(role):
        raise IdentityError(f"annotation {ROLE_ANNOTATION} is no role ARN: '{role[:300]}'")
    token = await identity.token(AUDIENCE)
    name = session_name(identity, region)
    return await asyncio.to_thread(_by_web_identity, role, name, token, region, proxies, sts_endpoint)


def session_name(identity: WorkloadIdentity, region: str) -> str:
    """How the session is named in CloudTrail."""
    full = ".".join(filter(None, (identity.name, identity.namespace, region, "fluxcd.io")))
    return re.sub(r"[^\w+=,.@-]", "-", full, flags=re.ASCII)[:_LONGEST_SESSION_NAME]


def _by_web_identity(
    role: str, name: str, token: str, region: str, proxies: Mapping[str, str], sts_endpoint: str
) -> AwsCredentials:
    session, errors = aws_session(sts_endpoint)
    try:
        client = session.create_client("sts", region_name=region or None, config=aws_config(proxies, signed=False))
        wanted = {"RoleArn": role, "RoleSessionName": name, "WebIdentityToken": token}
        found = client.assume_role_with_web_identity(**wanted)["Credentials"]
    except errors as error:
        raise IdentityError(f"failed to assume role '{role}' with the service account's token: {error}") from None
    return AwsCredentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], found["Expiration"].timestamp())


def _by_environment(region: str, proxies: Mapping[str, str], sts_endpoint: str) -> AwsCredentials:
    session, errors = aws_session(sts_endpoint)
    try:
        session.set_default_client_config(aws_config(proxies, signed=True))
        if region and not session.get_config_variable("region"):
            session.set_config_variable("region", region)
        found = session.get_credentials()
        if found is None:
            raise IdentityError("failed to get credentials of AWS: the environment has none")
        frozen = found.get_frozen_credentials()
    except errors as error:
        raise IdentityError(f"failed to get credentials of AWS: {error}") from None
    expiry = getattr(found, "_expiry_time", None)
    expires_at = expiry.timestamp() if expiry else time.time() + _NO_EXPIRY
    return AwsCredentials(frozen.access_key, frozen.secret_key, frozen.token or "", expires_at)


def aws_session(sts_endpoint: str = "") -> tuple[Any, tuple[type[Exception], ...]]:
    """A session of the SDK, and what it raises. `sts_endpoint`: for its STS clients, also those it makes for itself. Raises
    SdkMissing."""
    try:
        from botocore import exceptions
        from botocore.parsers import ResponseParserError
        from botocore.session import Session
    except ImportError:
        raise SdkMissing("AWS", "aws") from None

    class AtEndpoint(Session):  # type: ignore[misc]  # it has no types
        def create_client(self, service_name: str, *args: Any, **options: Any) -> Any:
            chosen = {"endpoint_url": sts_endpoint} if sts_endpoint and service_name == "sts" else {}
            return super().create_client(service_name, *args, **options | chosen)

    return AtEndpoint(), (exceptions.BotoCoreError, exceptions.ClientError, ResponseParserError)


def aws_config(proxies: Mapping[str, str], *, signed: bool) -> Any:
    from botocore import UNSIGNED
    from botocore.config import Config

    options = {} if signed else {"signature_version": UNSIGNED}
    retries = {"max_attempts": 2, "mode": "standard"}
    return Config(connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries=retries, proxies=dict(proxies) or None, **options)
