"""Injects faults, and tells what clients asked for."""

import msgspec
from aiohttp import web

from ..api.call import answer, nothing
from ..faults import Action, Faults
from ..forge import Forge
from ..request_log import RequestLog
from .call import admin_route, body_of

FAULTS = web.AppKey("faults", Faults)
REQUESTS = web.AppKey("requests", RequestLog)


class NewFault(msgspec.Struct):
    action: Action
    prefix: str = "/"
    method: str = ""
    count: int = 1
    status: int = 403
    message: str = "refused by an injected fault"


async def add_fault(request: web.Request, forge: Forge) -> web.Response:
    wish = await body_of(request, NewFault)
    fault = request.app[FAULTS].add(wish.action, wish.prefix, wish.method, wish.count, wish.status, wish.message)
    return answer({"id": fault.id}, 201)


async def lift_faults(request: web.Request, forge: Forge) -> web.Response:
    request.app[FAULTS].lift()
    return nothing()


async def until_hanging(request: web.Request, forge: Forge) -> web.Response:
    """Answers when so many requests hang."""
    await request.app[FAULTS].until_hanging(int(request.query.get("count", "1")))
    return nothing()


async def list_requests(request: web.Request, forge: Forge) -> web.Response:
    return answer(request.app[REQUESTS].entries())


async def until_requested(request: web.Request, forge: Forge) -> web.Response:
    """Answers when a request to a path that begins with `prefix` is remembered."""
    await request.app[REQUESTS].until(request.query.get("prefix", "/"))
    return nothing()


async def forget_requests(request: web.Request, forge: Forge) -> web.Response:
    request.app[REQUESTS].forget()
    return nothing()


ROUTES = [
    admin_route("POST", "/faults", add_fault),
    admin_route("DELETE", "/faults", lift_faults),
    admin_route("GET", "/faults/hanging", until_hanging),
    admin_route("GET", "/requests", list_requests),
    admin_route("GET", "/requests/awaited", until_requested),
    admin_route("DELETE", "/requests", forget_requests),
]
