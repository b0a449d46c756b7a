"""What ECR and ACR answer about logins, served beside the token services of `clouds`; and a program that asks them.

`python -m tests.kit.cloud_registries PROVIDER HOST ANNOTATIONS ENDPOINT CA`: the login as JSON. A process of its own, because
AWS' library takes its endpoints from the environment.
"""

import asyncio
import base64
import dataclasses
import json
import ssl
import sys
import time

from aiohttp import web

from fleetloop import auth
from fleetloop.auth.gcp import GcpEndpoints
from fleetloop.auth.registries import RegistryEndpoints

ECR, ECR_PUBLIC = "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "public.ecr.aws"
ACR, GAR = "team.azurecr.io", "europe-west1-docker.pkg.dev"
_TARGETS = {
    "/ecr": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
    "/ecr-public": "SpencerFrontendService.GetAuthorizationToken",
}


def add_registries(app: web.Application) -> None:
    for path in _TARGETS:
        app.router.add_post(path, _ecr)
        app.router.add_post(path + "/", _ecr)
    app.router.add_post("/acr/oauth2/exchange", _acr)


def add_exchange(app: web.Application) -> None:
    """What ACR serves beside a registry, at its own address."""
    app.router.add_post("/oauth2/exchange", _acr)


async def _ecr(request: web.Request) -> web.Response:
    path = request.path.rstrip("/")
    if not request.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=ASIAROLE/"):
        return web.json_response({"__type": "AccessDeniedException", "message": "who are you"}, status=400)
    if request.headers.get("X-Amz-Target") != _TARGETS[path]:
        return web.json_response({"__type": "UnknownOperationException"}, status=400)
    token = base64.b64encode(f"AWS:password{path.replace('/', '-')}".encode()).decode()
    data = {"authorizationToken": token, "expiresAt": time.time() + 12 * 3600}
    return web.json_response({"authorizationData": [data] if path == "/ecr" else data})


async def _acr(request: web.Request) -> web.Response:
    form = await request.post()
    wanted = {"grant_type": "access_token", "service": ACR, "access_token": "azure-token"}
    if {key: form.get(key) for key in wanted} != wanted:
        return web.json_response({"errors": [{"code": "UNAUTHORIZED"}]}, status=401)
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + 3 * 3600}).encode()).decode().rstrip("=")
    return web.json_response({"refresh_token": f"e30.{claims}.sig"})


async def main(provider: str, host: str, annotations: str, endpoint: str, ca: str) -> object:
    async def request_token(audience: str) -> str:
        return f"token-for-{audience}"

    identity = auth.WorkloadIdentity(json.loads(annotations), request_token, "team", "sa")
    endpoints = RegistryEndpoints(GcpEndpoints(endpoint + "/gcp/sts", endpoint + "/gcp/iam"), endpoint + "/acr")
    trust = await asyncio.to_thread(ssl.create_default_context, cafile=ca)
    try:
        return dataclasses.asdict(await auth.cloud_registry(provider, host).login(identity, None, endpoints, trust))
    except auth.IdentityError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
