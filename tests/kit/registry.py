"""A real OCI registry as a process, and doors before it: one that asks for a password, one that asks for a token."""

import asyncio
import base64
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from fleetloop.engine.programs import BIN

USER, PASSWORD = "robot", "swordfish"
ADDRESS = "127.0.0.1"


@dataclass
class Door:
    """`address` is host:port; `paths` what was asked there, with the Authorization header."""

    address: str = ""
    paths: list[tuple[str, str]] = field(default_factory=list)


@asynccontextmanager
async def registry(folder: Path) -> AsyncIterator[str]:
    """host:port of an open registry over plain HTTP."""
    command = [str(BIN / "fleetloop-cluster"), "registry", "--state-dir", str(folder), "--bind-address", ADDRESS, "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    try:
        assert process.stdout
        async with asyncio.timeout(20):
            announced = json.loads(await process.stdout.readline())
        yield announced["address"]
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def password_door(upstream: str) -> AsyncIterator[Door]:
    """Basic authentication, as registries behind a web server have it."""
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def challenge(request: web.Request, _: Door) -> str:
        return "" if request.headers.get("Authorization") == wanted else 'Basic realm="registry"'

    async with _door(upstream, challenge) as door:
        yield door


@asynccontextmanager
async def cloud_door(
    upstream: str, tls: ssl.SSLContext, knows: Callable[[str, str], bool], add: Callable[[web.Application], None]
) -> AsyncIterator[Door]:
    """HTTPS, and a login that `knows` by user and password; `add`: what the cloud serves beside a registry."""

    def challenge(request: web.Request, _: Door) -> str:
        kind, login = request.headers.get("Authorization", "").partition(" ")[::2]
        user, password = base64.b64decode(login).decode().partition(":")[::2]
        return "" if kind == "Basic" and knows(user, password) else 'Basic realm="cloud"'

    async with _door(upstream, challenge, tls=tls, add=add) as door:
        yield door


@asynccontextmanager
async def bearer_door(upstream: str, token: str) -> AsyncIterator[Door]:
    """One token opens it, which nobody gives out; what asks a token service gets none."""

    def challenge(request: web.Request, door: Door) -> str:
        known = request.headers.get("Authorization") == f"Bearer {token}"
        return "" if known else f'Bearer realm="http://{door.address}/token",service="test",scope="repository:x:pull"'

    async def give(_: web.Request) -> web.Response:
        return web.Response(status=401)

    async with _door(upstream, challenge, give) as door:
        yield door


@asynccontextmanager
async def failing_door(upstream: str, statuses: list[int]) -> AsyncIterator[Door]:
    """Open, but the first requests for something of a repository fail with these statuses."""
    left = list(statuses)

    def refuse(request: web.Request) -> int:
        return left.pop(0) if left and request.path != "/v2/" else 0

    async with _door(upstream, lambda _, __: "", refuse=refuse) as door:
        yield door


@asynccontextmanager
async def token_door(upstream: str) -> AsyncIterator[Door]:
    """A token service of its own, as the big registries have it; anonymous tokens are not given."""
    token = secrets.token_hex()

    def challenge(request: web.Request, door: Door) -> str:
        if request.headers.get("Authorization") == f"Bearer {token}":
            return ""
        return f'Bearer realm="http://{door.address}/token",service="test",scope="repository:x:pull"'

    async def give(request: web.Request) -> web.Response:
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != wanted:
            return web.Response(status=401)
        assert request.query["service"] == "test"
        assert request.query["scope"].startswith("repository:")
        return web.json_response({"token": token})

    async with _door(upstream, challenge, give) as door:
        yield door


@asynccontextmanager
async def _door(
    upstream: str,
    challenge: Callable[[web.Request, Door], str],
    token: Callable[[web.Request], "asyncio.Future[web.Response]"] | object = None,
    refuse: Callable[[web.Request], int] = lambda _: 0,
    tls: ssl.SSLContext | None = None,
    add: Callable[[web.Application], None] = lambda _: None,
) -> AsyncIterator[Door]:
    door = Door()
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def forward(request: web.Request) -> web.Response:
            door.paths.append((request.path_qs, request.headers.get("Authorization", "")))
            if status := refuse(request):
                return web.Response(status=status)
            if asked := challenge(request, door):
                return web.Response(status=401, headers={"WWW-Authenticate": asked})
            headers = {k: v for k, v in request.headers.items() if k not in {"Host", "Authorization"}}
            url = f"http://{upstream}{request.path_qs}"
            async with session.request(request.method, url, headers=headers, data=await request.read()) as answer:
                kept = {k: v for k, v in answer.headers.items() if k not in {"Content-Length", "Transfer-Encoding"}}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())

        app = web.Application(client_max_size=1 << 28)
        if callable(token):
            app.router.add_get("/token", token)
        add(app)
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, ADDRESS, 0, ssl_context=tls).start()
            door.address = f"{ADDRESS}:{runner.addresses[0][1]}"
            yield door
        finally:
            await runner.cleanup()
