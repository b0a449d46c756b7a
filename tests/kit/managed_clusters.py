"""What EKS, AKS and GKE answer about a cluster, served beside the token services of `clouds`; and a program that asks them.

`python -m tests.kit.managed_clusters PROVIDER NAME ADDRESS CA ANNOTATIONS ENDPOINT`: the access as JSON. A process of its own,
because AWS' library takes its endpoints from the environment.
"""

import asyncio
import base64
import dataclasses
import json
import os
import ssl
import sys

import yaml
from aiohttp import web

from fleetloop import auth
from fleetloop.auth.gcp import GcpEndpoints
from fleetloop.auth.managed_clusters import ClusterWanted, Management, aks_access, eks_access, gke_access

EKS = "arn:aws:eks:eu-west-1:123456789012:cluster/prod"
AKS = "/subscriptions/s-1/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod"
GKE = "projects/p-1/locations/europe-west1/clusters/prod"
ADDRESSES = {"aws": "https://prod.eks.example", "azure": "https://prod.aks.example", "gcp": "https://192.0.2.7"}
GKE_DNS = "https://gke-1.europe-west1.gke.example"
CA = "the certificate of prod"
_CA64 = base64.b64encode(CA.encode()).decode()


def add_managed_clusters(app: web.Application) -> None:
    app.router.add_get("/eks/clusters/{name}", _eks)
    app.router.add_post(f"/arm{AKS}/listClusterUserCredential", _aks)
    app.router.add_get(f"/gke/v1/{GKE}", _gke)


async def _eks(request: web.Request) -> web.Response:
    if not request.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=ASIAROLE/"):
        return web.json_response({"message": "who are you"}, status=403)
    if request.match_info["name"] != "prod":
        error = {"X-Amzn-ErrorType": "ResourceNotFoundException"}
        return web.json_response({"message": "No cluster found for name: other."}, status=404, headers=error)
    cluster = {"name": "prod", "endpoint": ADDRESSES["aws"], "certificateAuthority": {"data": _CA64}, "status": "ACTIVE"}
    return web.json_response({"cluster": cluster})


async def _aks(request: web.Request) -> web.Response:
    if request.headers.get("Authorization") != "Bearer azure-token" or "api-version" not in request.query:
        return web.json_response({"error": {"code": "AuthorizationFailed", "message": "no right"}}, status=403)
    cluster = {"server": f"{ADDRESSES['azure']}:443", "certificate-authority-data": _CA64}
    document = yaml.safe_dump({"kind": "Config", "clusters": [{"name": "prod", "cluster": cluster}]})
    value = base64.b64encode(document.encode()).decode()
    return web.json_response({"kubeconfigs": [{"name": "clusterUser", "value": value}]})


async def _gke(request: web.Request) -> web.Response:
    if request.headers.get("Authorization") != "Bearer gcp-federated":
        return web.json_response({"error": {"code": 401, "message": "no right"}}, status=401)
    named = {"dnsEndpointConfig": {"endpoint": GKE_DNS.removeprefix("https://")}}
    place = {"endpoint": ADDRESSES["gcp"].removeprefix("https://"), "masterAuth": {"clusterCaCertificate": _CA64}}
    return web.json_response(place | {"controlPlaneEndpointsConfig": named})


async def main(provider: str, name: str, address: str, ca: str, annotations: str, endpoint: str) -> object:
    async def request_token(audience: str) -> str:
        return f"token-for-{audience}"

    identity = auth.WorkloadIdentity(json.loads(annotations), request_token, "team", "sa")
    wanted = ClusterWanted(name, address, ca)
    google = GcpEndpoints(f"{endpoint}/gcp/sts", f"{endpoint}/gcp/iam")
    trust = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
    management = Management(f"{endpoint}/arm", f"{endpoint}/gke", google, trust)
    try:
        match provider:
            case "aws":
                return dataclasses.asdict(await eks_access(wanted, identity))
            case "azure":
                return dataclasses.asdict(await aks_access(wanted, identity, clouds=management))
            case _:
                return dataclasses.asdict(await gke_access(wanted, identity, clouds=management))
    except auth.IdentityError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
