"""Clusters that a cloud runs: where one is, whose certificate it shows, and a token it takes. EKS, AKS, GKE.

Flux: helm-notification-image.md 2.2. What is known beforehand is not asked for; names are checked, since tenants write them.
"""

import base64
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from fleetloop.auth.azure import azure_token
from fleetloop.auth.eks import describe_eks_cluster, eks_token
from fleetloop.auth.errors import IdentityError
from fleetloop.auth.gcp import CLOUD_PLATFORM, GOOGLE, GcpEndpoints, gcp_token
from fleetloop.auth.git_credentials import ProxyAccess
from fleetloop.auth.http import json_http
from fleetloop.auth.identity import WorkloadIdentity

EMAIL_SCOPE = "https://www.googleapis.com/auth/userinfo.email"  # GKE names the user by it
AKS_SCOPE = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"  # the application that every AKS cluster's server is
_EKS = re.compile(r"arn:(aws[\w-]*):eks:([a-z0-9-]{1,40}):\d{12}:cluster/([A-Za-z0-9][\w-]{0,99})")
_AKS = re.compile(
    r"/subscriptions/[\w-]{1,40}/resourceGroups/[\w.()-]{1,90}/providers/Microsoft\.ContainerService/managedClusters/[\w-]{1,63}",
    re.IGNORECASE,
)
_GKE = re.compile(r"projects/[a-z0-9:.-]{1,100}/locations/[a-z0-9-]{1,50}/clusters/[a-z0-9-]{1,100}")


@dataclass(frozen=True, slots=True)
class ClusterWanted:
    """`name` as the cloud writes it; `address` and `ca` (PEM) when they are known, else "" and the cloud is asked."""

    name: str
    address: str = ""
    ca: str = ""

    @property
    def is_placed(self) -> bool:
        return bool(self.address and self.ca)


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """`expires_at`: of the token, seconds since 1970."""

    address: str
    ca: str
    token: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class Management:
    """Where the clouds' APIs are."""

    azure: str = "https://management.azure.com"
    gcp: str = "https://container.googleapis.com"
    google: GcpEndpoints = GOOGLE
    trust: ssl.SSLContext | None = None


CLOUDS = Management()


async def eks_access(wanted: ClusterWanted, identity: WorkloadIdentity, proxy: ProxyAccess | None = None) -> ClusterAccess:
    """`wanted.name` is an ARN, always needed: the token names the cluster. Raises IdentityError."""
    found = _EKS.fullmatch(wanted.name)
    if not found:
        raise IdentityError(f"cluster is no ARN of an EKS cluster: '{wanted.name[:200]}'")
    region, name = found[2], found[3]
    address, ca = wanted.address, wanted.ca
    if not wanted.is_placed:
        endpoint, certificate = await describe_eks_cluster(identity, region, name, proxy)
        address, ca = _chosen(wanted, [endpoint]), ca or _pem(certificate)
    token = await eks_token(identity, region, name, proxy)
    return ClusterAccess(address, ca, token.value, token.expires_at)


async def aks_access(
    wanted: ClusterWanted, identity: WorkloadIdentity, proxy: ProxyAccess | None = None, clouds: Management = CLOUDS
) -> ClusterAccess:
    """`wanted.name` is a resource id. Raises IdentityError."""
    address, ca = wanted.address, wanted.ca
    if not wanted.is_placed:
        if not _AKS.fullmatch(wanted.name):
            raise IdentityError(f"cluster is no resource id of an AKS cluster: '{wanted.name[:300]}'")
        arm = await azure_token(identity, f"{clouds.azure}/.default", proxy)
        url = f"{clouds.azure}{wanted.name}/listClusterUserCredential?api-version=2025-01-01"
        answer = await _json("POST", url, arm.value, proxy, clouds)
        servers = [_server_of(item) for item in answer.get("kubeconfigs") or [] if isinstance(item, dict)]
        address = _chosen(wanted, [server for server, _ in servers])
        ca = ca or dict(servers)[address]
    token = await azure_token(identity, AKS_SCOPE, proxy)
    return ClusterAccess(address, ca, token.value, token.expires_at)


async def gke_access(
    wanted: ClusterWanted, identity: WorkloadIdentity, proxy: ProxyAccess | None = None, clouds: Management = CLOUDS
) -> ClusterAccess:
    """`wanted.name` is `projects/…/locations/…/clusters/…`. Raises IdentityError."""
    if not wanted.is_placed and not _GKE.fullmatch(wanted.name):
        raise IdentityError(f"cluster is no name of a GKE cluster: '{wanted.name[:300]}'")
    token = await gcp_token(identity, (CLOUD_PLATFORM, EMAIL_SCOPE), proxy, clouds.google)
    address, ca = wanted.address, wanted.ca
    if not wanted.is_placed:
        answer = await _json("GET", f"{clouds.gcp}/v1/{wanted.name}", token.value, proxy, clouds)
        named = (answer.get("controlPlaneEndpointsConfig") or {}).get("dnsEndpointConfig") or {}
        places = [f"https://{host}" for host in (answer.get("endpoint"), named.get("endpoint")) if host]
        address = _chosen(wanted, places)
        ca = ca or _pem((answer.get("masterAuth") or {}).get("clusterCaCertificate") or "")
    return ClusterAccess(address, ca, token.value, token.expires_at)


def _chosen(wanted: ClusterWanted, places: Sequence[str]) -> str:
    """The place that is wished, else the first one: a token must not go to an address that is not the cluster's."""
    found = [place.rstrip("/").removesuffix(":443") for place in places]
    wish = wanted.address.rstrip("/").removesuffix(":443")
    if wish and wish not in found:
        raise IdentityError(f"address '{wanted.address[:200]}' is none of the cluster's: {', '.join(found)}")
    if not found:
        raise IdentityError(f"cluster '{wanted.name}' has no address")
    return wish or found[0]


def _server_of(item: dict[str, object]) -> tuple[str, str]:
    """Address and CA in one of the kubeconfigs that Azure answers."""
    try:
        document = yaml.load(base64.b64decode(str(item["value"])), Loader=yaml.CSafeLoader)
        cluster = document["clusters"][0]["cluster"]
        server = str(cluster["server"]).rstrip("/").removesuffix(":443")
        return server, _pem(cluster["certificate-authority-data"])
    except (KeyError, IndexError, TypeError, ValueError, yaml.YAMLError):
        raise IdentityError("the answer of Azure holds no kubeconfig") from None


def _pem(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode()
    except (ValueError, TypeError):
        raise IdentityError("the cloud's answer holds no certificate of the cluster") from None


async def _json(method: str, url: str, token: str, proxy: ProxyAccess | None, clouds: Management) -> dict[str, Any]:
    trust = clouds.trust or ssl.create_default_context()
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "fleetloop", "Content-Length": "0"}
    if method == "GET":
        del headers["Content-Length"]
    async with json_http(proxy, trust, headers) as http:
        status, answer = await http.exchange(method, url)
    if status != 200:
        error = answer.get("error")
        message = error.get("message") if isinstance(error, dict) else ""
        raise IdentityError(f"{method} {url.partition('?')[0]}: status {status}" + (f": {message}" if message else ""))
    return answer
