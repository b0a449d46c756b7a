"""Puts the forge on the wire: one HTTPS port for Git, the API and the admin API, one SSH port; until told to stop."""

import asyncio
import ssl
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from . import admin, pages, smart_http, ssh
from .admin.trouble import FAULTS, REQUESTS
from .api import accounts, comments, commits, contents, hooks, keys, merges, pulls, refs, repositories, service, statuses, teams
from .api.call import BODY_LIMIT, CALLER, FORGE, identify, identity_headers
from .api.problems import Problem
from .api.service import ENTERPRISE_VERSION, RATE_LIMIT, counted_as
from .bare_git import GitFailed, check_git
from .certificates import ensure_authority, server_context
from .deliveries import delivering
from .faults import Faults
from .forge import Forge
from .names import BadName
from .rate_limit import RateLimit
from .request_log import Entry, RequestLog

API = (service, accounts, repositories, keys, teams, statuses, commits, refs, contents, merges, pulls, comments, hooks)
API_ROUTES = [route for part in API for route in part.ROUTES]
ROUTES = [*API_ROUTES, *smart_http.ROUTES, *admin.ROUTES, *pages.ROUTES]
DEFAULT_RATE_LIMIT = 100_000  # requests an hour and person
SHUTDOWN_TIMEOUT = 5.0  # seconds for requests in flight
WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the forge lives and listens; port 0 lets the system choose. `names` are further names for the certificate."""

    folder: Path
    address: str
    port: int
    ssh_port: int
    ca_cert: Path
    ca_key: Path
    names: tuple[str, ...] = ()
    rate_limit: int = DEFAULT_RATE_LIMIT


@dataclass(frozen=True, slots=True)
class Ready:
    """How to reach a running forge."""

    url: str
    ssh_url: str
    ca_file: str
    admin_token: str
    api_url: str


async def run(settings: Settings, stop: asyncio.Event, on_ready: Callable[[Ready], None]) -> None:
    """Serve until `stop` is set. Raises BadAuthority, GitTooOld, StateUnusable, and OSError for a port that is taken."""
    await check_git(settings.folder)
    context = await asyncio.to_thread(_tls, settings)
    forge = await asyncio.to_thread(Forge, settings.folder, lambda: datetime.now(UTC))
    await forge.recover()
    runner = web.AppRunner(application(forge, settings.rate_limit), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        async with (
            ssh.listening(forge, settings.address, settings.ssh_port) as ssh_port,
            delivering(forge, settings.ca_cert),
        ):
            site = web.TCPSite(runner, settings.address, settings.port, ssl_context=context)
            await site.start()
            port = runner.addresses[0][1]
            forge.url = f"https://{settings.address}" + ("" if port == 443 else f":{port}")
            forge.ssh_url = f"ssh://git@{settings.address}" + ("" if ssh_port == 22 else f":{ssh_port}")
            ca_file = str(settings.ca_cert.resolve())
            on_ready(Ready(forge.url, forge.ssh_url, ca_file, forge.admin_token, f"{forge.url}/api/v3/"))
            await stop.wait()
    finally:
        await runner.cleanup()


def application(forge: Forge, rate_limit: int) -> web.Application:
    """The HTTP side, without a socket."""
    app = web.Application(middlewares=[_remember, _afflict, _api_manners], client_max_size=BODY_LIMIT)
    app[FORGE] = forge
    app[RATE_LIMIT] = RateLimit(rate_limit, lambda: forge.clock().timestamp())
    app[FAULTS] = Faults()
    app[REQUESTS] = RequestLog()
    app.add_routes(ROUTES)
    return app


@web.middleware
async def _remember(request: web.Request, handler: WebHandler) -> web.StreamResponse:
    response = await handler(request)
    if not request.path.startswith("/admin/"):
        caller = request.get(CALLER)
        login, accept = caller.account.login if caller else "", request.headers.get("Accept", "")
        now, path, query = request.app[FORGE].now(), request.path, request.query_string
        await request.app[REQUESTS].add(Entry(now, request.method, path, query, response.status, login, accept))
    return response


@web.middleware
async def _afflict(request: web.Request, handler: WebHandler) -> web.StreamResponse:
    if not request.path.startswith("/admin/") and (struck := await request.app[FAULTS].meet(request)):
        return struck
    return await handler(request)


@web.middleware
async def _api_manners(request: web.Request, handler: WebHandler) -> web.StreamResponse:
    """Identifies, counts, turns problems into GitHub's error bodies and adds the headers every API answer has."""
    is_api = request.path.startswith("/api/v3")
    if not is_api and not request.path.startswith("/admin/"):
        return await handler(request)
    limits: dict[str, str] = {}
    try:
        if is_api:
            identify(request)
            limits = _counted(request)
        response = await handler(request)
    except Problem as problem:
        response = problem.answer()
    except (BadName, GitFailed) as error:
        response = Problem(422, str(error)).answer()
    except web.HTTPException as error:
        response = Problem(error.status, error.reason).answer()
    headers = (
        limits
        | identity_headers(request.get(CALLER))
        | {
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Request-Id": uuid.uuid4().hex[:20].upper(),
            "X-GitHub-Enterprise-Version": ENTERPRISE_VERSION,
        }
    )
    for name, value in headers.items():
        response.headers[name] = value
    return response


def _counted(request: web.Request) -> dict[str, str]:
    """The rate limit's headers after this request; raises the 403 for too many. Asking for the limit is free."""
    limit, who = request.app[RATE_LIMIT], counted_as(request)
    allowance = limit.look(who) if request.path == "/api/v3/rate_limit" else limit.take(who)
    if allowance is None:
        raise Problem(403, f"API rate limit exceeded for {who}.", headers=limit.look(who).headers)
    return allowance.headers


def _tls(settings: Settings) -> ssl.SSLContext:
    now = datetime.now(UTC)
    ensure_authority(settings.ca_cert, settings.ca_key, now)
    names = (settings.address, "localhost", *settings.names)
    return server_context(settings.ca_cert, settings.ca_key, settings.folder / "tls", names, now)
