"""One admin request: the token's check, the body, and what the path names."""

import hmac
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from .. import names
from ..api.call import FORGE, secret_of
from ..api.problems import Problem, bad_credentials, not_found
from ..forge import Exists, Forge
from ..model import Account, Repository

AdminHandler = Callable[[web.Request, Forge], Awaitable[web.Response]]
REPOSITORY = "/repos/{owner}/{repo}"
T = TypeVar("T")


def admin_route(method: str, path: str, handler: AdminHandler) -> web.RouteDef:
    """An endpoint for whoever holds the admin token."""

    async def serve(request: web.Request) -> web.Response:
        forge = request.app[FORGE]
        given = secret_of(request.headers.get("Authorization", ""))
        if not hmac.compare_digest(given.encode(), forge.admin_token.encode()):
            raise bad_credentials()
        try:
            return await handler(request, forge)
        except (msgspec.DecodeError, names.BadName, ValueError) as error:
            raise Problem(422, str(error)) from error
        except Exists as error:
            raise Problem(409, str(error)) from error

    return web.route(method, "/admin" + path, serve)


async def body_of(request: web.Request, shape: type[T]) -> T:
    return msgspec.json.decode(await request.read() or b"{}", type=shape)


def account_named(forge: Forge, login: str) -> Account:
    if found := forge.state.account(login):
        return found
    raise Problem(404, f"account {login[:50]!r} does not exist")


def repository_of(request: web.Request, forge: Forge) -> Repository:
    if found := forge.state.repository(request.match_info["owner"], request.match_info["repo"]):
        return found
    raise not_found()
