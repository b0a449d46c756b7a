"""An AWS CodeCommit that checks the signature of each request as the service does, and has its repositories from a forge."""

import base64
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.kit.tls import Authority

HOST, REGION = "git-codecommit.eu-west-1.amazonaws.com", "eu-west-1"
ACCESS_KEY, SECRET_KEY, SESSION_TOKEN = "ASIAROLE", "role-secret", "role-session"


@dataclass
class CodeCommit:
    """`place`: where a proxy finds it. `accepted`, `refused`: numbers of requests."""

    place: str = ""
    ca: bytes = b""
    accepted: int = 0
    refused: list[str] = field(default_factory=list)


@asynccontextmanager
async def running_codecommit(folder: Path, upstream: str, token: str, upstream_ca: Path) -> AsyncIterator[CodeCommit]:
    """`/v1/repos/NAME` is `UPSTREAM/NAME.git`, opened with `token`."""
    authority, found = Authority(), CodeCommit()
    found.ca = authority.ca
    trust = ssl.create_default_context(cafile=upstream_ca)
    async with aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(ssl=trust)) as session:

        async def serve(request: web.Request) -> web.Response:
            problem = _problem(request)
            if problem:
                found.refused.append(problem)
                return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
            found.accepted += 1
            name, rest = request.match_info["name"], request.match_info["rest"]
            kept = {
                key: value for key, value in request.headers.items() if key.lower().startswith(("content-", "git-", "accept"))
            }
            kept.pop("Content-Length", None)
            kept["Authorization"] = "Basic " + base64.b64encode(f"x:{token}".encode()).decode()
            url = f"{upstream}/{name}.git/{rest}?{request.query_string}"
            async with session.request(request.method, url, data=await request.read(), headers=kept) as answer:
                headers = {"Content-Type": answer.headers.get("Content-Type", "")}
                return web.Response(status=answer.status, body=await answer.read(), headers=headers)

        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/v1/repos/{name}/{rest:.*}", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server_context(folder, HOST)).start()
            found.place = f"127.0.0.1:{runner.addresses[0][1]}"
            yield found
        finally:
            await runner.cleanup()


def _problem(request: web.Request) -> str:
    """Why the credentials are not good, "" when they are."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    username, _, password = base64.b64decode(encoded).decode().partition(":")
    if scheme != "Basic" or username != f"{ACCESS_KEY}%{SESSION_TOKEN}":
        return f"user {username}"
    stamp, _, signature = password.partition("Z")
    at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%S").replace(tzinfo=datetime.UTC)
    if abs(datetime.datetime.now(datetime.UTC) - at) > datetime.timedelta(minutes=15):
        return f"time {stamp}"
    path = f"/v1/repos/{request.match_info['name']}"
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "codecommit", REGION)
    signed = AWSRequest(method="GIT", url=f"https://{HOST}{path}")
    signed.context["timestamp"] = stamp
    expected = signer.signature(signer.string_to_sign(signed, f"GIT\n{path}\n\nhost:{HOST}\n\nhost\n"), signed)
    return "" if signature == expected else "signature"
