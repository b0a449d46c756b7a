"""EKS: the description of a cluster, and its tokens, which are signed questions to STS who one is.

The SDK blocks; it runs in a thread with timeouts of its own.
"""

import asyncio
import base64
import time
from collections.abc import Mapping

from fleetloop.auth.aws import AwsCredentials, aws_config, aws_credentials, aws_session
from fleetloop.auth.errors import IdentityError
from fleetloop.auth.git_credentials import ProxyAccess
from fleetloop.auth.identity import WorkloadIdentity
from fleetloop.auth.proxy import proxies_of
from fleetloop.auth.tokens import Token

_LIFE = 840.0  # seconds: a cluster takes a token for 15 minutes
_SIGNED_FOR = 60  # seconds


async def describe_eks_cluster(
    identity: WorkloadIdentity, region: str, name: str, proxy: ProxyAccess | None = None
) -> tuple[str, str]:
    """Endpoint, and certificate authority in base64. Raises IdentityError."""
    credentials = await aws_credentials(identity, region, proxy)
    return await asyncio.to_thread(_described, credentials, region, name, proxies_of(proxy))


async def eks_token(identity: WorkloadIdentity, region: str, name: str, proxy: ProxyAccess | None = None) -> Token:
    """Raises IdentityError."""
    credentials, started = await aws_credentials(identity, region, proxy), time.time()
    value = await asyncio.to_thread(_signed, credentials, region, name, proxies_of(proxy))
    return Token(value, min(started + _LIFE, credentials.expires_at))


def _described(credentials: AwsCredentials, region: str, name: str, proxies: Mapping[str, str]) -> tuple[str, str]:
    session, errors = aws_session()
    session.set_credentials(credentials.access_key, credentials.secret_key, credentials.session_token or None)
    try:
        client = session.create_client("eks", region_name=region, config=aws_config(proxies, signed=True))
        found = client.describe_cluster(name=name)["cluster"]
        return found["endpoint"], found["certificateAuthority"]["data"]
    except errors as error:
        raise IdentityError(f"failed to describe EKS cluster '{name}' in {region}: {error}") from None
    except KeyError:
        raise IdentityError(f"EKS cluster '{name}' in {region} has no endpoint yet") from None


def _signed(credentials: AwsCredentials, region: str, name: str, proxies: Mapping[str, str]) -> str:
    session, errors = aws_session()
    session.set_credentials(credentials.access_key, credentials.secret_key, credentials.session_token or None)
    from botocore.model import ServiceId
    from botocore.signers import RequestSigner

    try:
        client = session.create_client("sts", region_name=region, config=aws_config(proxies, signed=True))
        events = session.get_component("event_emitter")
        signer = RequestSigner(ServiceId("STS"), region, "sts", "v4", session.get_credentials(), events)
        request = {
            "method": "GET",
            "url": f"{client.meta.endpoint_url.rstrip('/')}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": name},
            "context": {},
        }
        url = signer.generate_presigned_url(request, region_name=region, expires_in=_SIGNED_FOR, operation_name="")
    except errors as error:
        raise IdentityError(f"failed to sign a token for EKS cluster '{name}': {error}") from None
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
