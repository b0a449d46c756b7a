"""One forge API, served in this process, and a client of ours that speaks to it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler, Middleware

from fleetloop.forge import Forge, ForgeHttp, Http
from fleetloop.forge.hosts import Site
from tests.kit.forge_apis.state import TOKEN, ForgeState, Heard, refusal

SITE = Site("forge.test")
STATE = web.AppKey("state", ForgeState)


@dataclass(frozen=True)
class Dialect:
    """An API: where it lives, how it wants the token, what answers, and the client of ours for it.

    `personal`: how it writes a user that owns repositories.
    """

    name: str
    base: str
    header: str
    authorization: str
    routes: web.RouteTableDef
    client: Callable[[Http, Site], Any]
    personal: str = "{}"


@dataclass(frozen=True)
class Served:
    """A running forge. `forge` is the client, `http` what it speaks through."""

    dialect: Dialect
    state: ForgeState
    forge: Any
    http: ForgeHttp


@asynccontextmanager
async def serving(dialect: Dialect, token: str = TOKEN) -> AsyncIterator[Served]:
    state = ForgeState()
    application = web.Application(middlewares=[_guard(dialect)])
    application[STATE] = state
    application.add_routes(dialect.routes)
    async with TestServer(application, host="127.0.0.1") as server:
        base = str(server.make_url(dialect.base))
        async with ForgeHttp.open(base, dialect.authorization.format(token), header=dialect.header) as http:
            client: Forge = dialect.client(http, SITE)
            yield Served(dialect, state, client, http)


def _guard(dialect: Dialect) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        state, raw = request.app[STATE], await request.read()
        path = request.rel_url.raw_path.removeprefix(dialect.base)
        state.heard.append(Heard(request.method, path, json.loads(raw) if raw else None))
        if request.headers.get(dialect.header) != dialect.authorization.format(TOKEN):
            return refusal(401, "token is required")
        for (method, end), status in state.faults.items():
            if request.method == method and path.endswith(end):
                return refusal(status, "something is wrong")
        return await handler(request)

    return guard
