"""Token services of the clouds and of GitHub Apps, in one HTTPS server: their real requests and answers, invented accounts.

Every request is checked as the service would and remembered. `seen` names what was asked, by whom.
"""

import base64
import datetime
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.kit.cloud_registries import add_registries
from tests.kit.managed_clusters import add_managed_clusters
from tests.kit.tls import Authority

ROLE = "arn:aws:iam::123456789012:role/team"
PROVIDER = "projects/123/locations/global/workloadIdentityPools/pool/providers/fleet"
EMAIL = "team@project.iam.gserviceaccount.com"
APP_ID, INSTALLATION = "1234", 77
TENANT, CLIENT = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


@dataclass
class Clouds:
    """`url`: https://127.0.0.1:port. `audiences`: what ServiceAccount tokens must be made for, by service."""

    url: str = ""
    ca: bytes = b""
    ca_file: Path = Path()
    app_key: bytes = b""
    google: str = ""  # host:port of sts.googleapis.com, by its certificate
    metadata: str = ""  # host:port of the metadata server of a GKE node
    git_token: str = "ghs_installation"
    azure_token: str = "azure-token"
    seen: list[dict[str, Any]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """For a process that is to find these services instead of the real ones."""
        return {
            "AWS_ENDPOINT_URL_STS": self.url + "/aws",
            "AWS_ENDPOINT_URL_ECR": self.url + "/ecr",
            "AWS_ENDPOINT_URL_ECR_PUBLIC": self.url + "/ecr-public",
            "AWS_CA_BUNDLE": str(self.ca_file),
            "AWS_REGION": "eu-west-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AZURE_AUTHORITY_HOST": self.url,
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "GCE_METADATA_HOST": self.metadata,
            "GCE_METADATA_IP": self.metadata,
        }

    def asked(self, service: str) -> list[dict[str, Any]]:
        return [request for request in self.seen if request["service"] == service]


@asynccontextmanager
async def running_clouds(folder: Path) -> AsyncIterator[Clouds]:
    authority = Authority()
    key = rsa.generate_private_key(65537, 2048)
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    clouds = Clouds(ca=authority.ca, app_key=key.private_bytes(*plain), ca_file=folder / "clouds-ca.pem")
    clouds.ca_file.write_bytes(authority.ca)
    app = web.Application()
    app.router.add_post("/aws", _Aws(clouds).assume)
    azure = _Azure(clouds)
    app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", azure.describe)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", azure.token)
    gcp = _Gcp(clouds)
    for path in ("/gcp/sts", "/v1/token"):
        app.router.add_post(path, gcp.exchange)
    app.router.add_post("/gcp/iam/v1/projects/-/serviceAccounts/{account}", gcp.impersonate)
    app.router.add_get("/", gcp.metadata)
    app.router.add_get("/computeMetadata/v1/{path:.*}", gcp.metadata)
    github = _GitHub(clouds, key.public_key())
    app.router.add_get("/api/v3/{kind}/{owner}/installation", github.installation)
    app.router.add_post("/api/v3/app/installations/{id}/access_tokens", github.token)
    add_managed_clusters(app)
    add_registries(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server_context(folder)).start()
        clouds.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        clouds.metadata = f"127.0.0.1:{runner.addresses[1][1]}"
        google = authority.server_context(folder, "sts.googleapis.com")
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=google).start()
        clouds.google = f"127.0.0.1:{runner.addresses[2][1]}"
        yield clouds
    finally:
        await runner.cleanup()


def claims_of(token: str) -> dict[str, Any]:
    """Of a ServiceAccount's token, or of what a test uses as one."""
    try:
        return dict(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")))
    except (IndexError, ValueError):
        return {"raw": token}


class _Aws:
    def __init__(self, clouds: Clouds) -> None:
        self._clouds = clouds

    async def assume(self, request: web.Request) -> web.Response:
        form = await request.post()
        token = str(form.get("WebIdentityToken", ""))
        fields = {key: str(form[key]) for key in ("Action", "RoleArn", "RoleSessionName") if key in form}
        self._clouds.seen.append({"service": "aws", "claims": claims_of(token), **fields})
        if form.get("Action") != "AssumeRoleWithWebIdentity" or form.get("RoleArn") != ROLE or "Authorization" in request.headers:
            error = "<Error><Code>AccessDenied</Code><Message>not this role</Message></Error>"
            return web.Response(status=403, content_type="text/xml", text=f"<ErrorResponse>{error}</ErrorResponse>")
        until = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>"
            "<SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-session</SessionToken>"
            f"<Expiration>{until}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
            "</AssumeRoleWithWebIdentityResponse>"
        )
        return web.Response(content_type="text/xml", text=body)


class _Azure:
    def __init__(self, clouds: Clouds) -> None:
        self._clouds = clouds

    async def describe(self, request: web.Request) -> web.Response:
        base = f"{self._clouds.url}/{request.match_info['tenant']}"
        places = {"authorization_endpoint": "/oauth2/v2.0/authorize", "token_endpoint": "/oauth2/v2.0/token", "issuer": "/v2.0"}
        return web.json_response({name: base + path for name, path in places.items()})

    async def token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        assertion = form.get("client_assertion", "")
        fields = {key: form.get(key, "") for key in ("grant_type", "client_id", "scope", "client_secret")}
        self._clouds.seen.append({"service": "azure", "claims": claims_of(assertion), **fields})
        if form.get("client_id") != CLIENT or request.match_info["tenant"] != TENANT:
            return web.json_response(
                {"error": "unauthorized_client", "error_description": "AADSTS700016: no such client"}, status=400
            )
        return web.json_response({"token_type": "Bearer", "expires_in": 3600, "access_token": self._clouds.azure_token})


class _Gcp:
    def __init__(self, clouds: Clouds) -> None:
        self._clouds = clouds

    async def exchange(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self._clouds.seen.append({"service": "gcp", "claims": claims_of(form["subject_token"]), "audience": form["audience"]})
        if form["grant_type"] != "urn:ietf:params:oauth:grant-type:token-exchange":
            return web.json_response({"error": "invalid_grant"}, status=400)
        answer = {"access_token": "gcp-federated", "token_type": "Bearer", "expires_in": 3600, "issued_token_type": "x"}
        return web.json_response(answer)

    async def impersonate(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer gcp-federated":
            return web.json_response({"error": {"message": "who are you"}}, status=401)
        self._clouds.seen.append({"service": "gcp-impersonation", "account": request.match_info["account"]})
        until = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.json_response({"accessToken": "gcp-impersonated", "expireTime": until})

    async def metadata(self, request: web.Request) -> web.Response:
        """What a node of GKE is told of its cluster and its own identity."""
        headers = {"Metadata-Flavor": "Google"}
        answers = {
            "project/project-id": "team-project",
            "instance/attributes/cluster-location": "europe-west1",
            "instance/attributes/cluster-name": "fleet",
            "universe/universe-domain": "googleapis.com",
        }
        path = request.match_info.get("path", "")
        if path in answers:
            return web.Response(text=answers[path], content_type="application/text", headers=headers)
        if path.endswith("/token"):
            answer = {"access_token": "gcp-node", "expires_in": 3600, "token_type": "Bearer"}
            return web.json_response(answer, headers=headers)
        if path.startswith("instance/service-accounts/default"):
            return web.json_response({"email": "node@team-project", "scopes": []}, headers=headers)
        return web.Response(text="computeMetadata/", headers=headers)


class _GitHub:
    def __init__(self, clouds: Clouds, key: rsa.RSAPublicKey) -> None:
        self._clouds, self._key = clouds, key

    async def installation(self, request: web.Request) -> web.Response:
        refused = self._refusal(request.headers)
        if refused:
            return refused
        known = (request.match_info["kind"], request.match_info["owner"]) in {("orgs", "acme"), ("users", "ada")}
        self._clouds.seen.append({"service": "github-owner", "path": request.path})
        return web.json_response({"id": INSTALLATION}) if known else web.json_response({"message": "Not Found"}, status=404)

    async def token(self, request: web.Request) -> web.Response:
        refused = self._refusal(request.headers)
        if refused:
            return refused
        self._clouds.seen.append({"service": "github", "path": request.path})
        if request.match_info["id"] != str(INSTALLATION):
            return web.json_response({"message": "Not Found"}, status=404)
        until = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.json_response({"token": self._clouds.git_token, "expires_at": until}, status=201)

    def _refusal(self, headers: Mapping[str, str]) -> web.Response | None:
        try:
            claims = jwt.decode(headers.get("Authorization", "").removeprefix("Bearer "), self._key, algorithms=["RS256"])
            fits = claims["iss"] == APP_ID and claims["exp"] - time.time() <= 600 and claims["iat"] <= time.time()
        except jwt.PyJWTError:
            fits = False
        return None if fits else web.json_response({"message": "A JSON web token could not be decoded"}, status=401)
