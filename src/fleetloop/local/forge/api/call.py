"""One API request: who asks, what about, the body and the page. Holds the authorisation that every endpoint passes through."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from yarl import URL

from .. import names
from ..access import Caller, Need, Verdict, judge
from ..forge import Forge
from ..model import Account, Repository, Role
from . import problems

FORGE = web.AppKey("forge", Forge)
CALLER = web.RequestKey("caller", Caller)  # set by `identify`; absent for anonymous requests
BODY_LIMIT = 16 * 1024 * 1024  # bytes; a file's content travels as base64 in JSON
PERMISSIONLESS = "allows_permissionless_access=true"
PAGE_SIZE, PAGE_LIMIT = 30, 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """A request of an authenticated caller, or of nobody where the endpoint allows that."""

    request: web.Request
    forge: Forge
    caller: Caller | None

    @property
    def person(self) -> Account:
        """The caller's account; raises the 401 for anonymous ones."""
        if self.caller is None:
            raise problems.requires_authentication()
        return self.caller.account

    @property
    def api(self) -> str:
        return f"{self.forge.url}/api/v3"

    def part(self, name: str) -> str:
        return self.request.match_info[name]

    def number(self, name: str) -> int:
        """A numeric part of the path; anything else is not found."""
        text = self.request.match_info[name]
        if not text.isdecimal() or len(text) > 18:
            raise problems.not_found()
        return int(text)

    def query(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)

    async def body(self, shape: type[T]) -> T:
        """The JSON body as `shape`; raises the 400 for no JSON and the 422 for another shape."""
        raw = await self.request.read()
        try:
            return msgspec.json.decode(raw or b"{}", type=shape)
        except msgspec.ValidationError as error:
            raise problems.invalid_request(str(error)) from error
        except msgspec.DecodeError as error:
            raise problems.Problem(400, "Problems parsing JSON") from error


@dataclass(frozen=True, slots=True)
class RepositoryCall(Call):
    """A request about one repository that the caller may make."""

    repository: Repository

    @property
    def url(self) -> str:
        return f"{self.api}/repos/{self.repository.full_name}"


@dataclass(frozen=True, slots=True)
class OrganizationCall(Call):
    """A request about one organisation."""

    organization: Account


Handler = Callable[[Call], Awaitable[web.StreamResponse]]
RepositoryHandler = Callable[[RepositoryCall], Awaitable[web.StreamResponse]]
OrganizationHandler = Callable[[OrganizationCall], Awaitable[web.StreamResponse]]
WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def route(method: str, path: str, handler: Handler) -> web.RouteDef:
    """An endpoint about nothing in particular, or one that authorises by itself."""

    async def serve(request: web.Request) -> web.StreamResponse:
        forge = request.app[FORGE]
        answer = await handler(Call(request, forge, request.get(CALLER)))
        answer.headers.setdefault("X-Accepted-GitHub-Permissions", PERMISSIONLESS)
        return answer

    return web.route(method, "/api/v3" + path, serve)


def repository_route(method: str, path: str, asked: Need, handler: RepositoryHandler) -> web.RouteDef:
    """An endpoint below `/repos/{owner}/{repo}` that asks for `asked`."""

    async def serve(request: web.Request) -> web.StreamResponse:
        forge = request.app[FORGE]
        call = Call(request, forge, request.get(CALLER))
        repository = authorised_repository(call, asked)
        answer = await handler(RepositoryCall(request, forge, call.caller, repository))
        answer.headers.setdefault("X-Accepted-GitHub-Permissions", asked.header)
        return answer

    return web.route(method, "/api/v3/repos/{owner}/{repo}" + path, serve)


def organization_route(method: str, path: str, handler: OrganizationHandler) -> web.RouteDef:
    """An endpoint below `/orgs/{org}`; organisations themselves are public."""

    async def serve(request: web.Request) -> web.StreamResponse:
        forge = request.app[FORGE]
        organization = forge.state.account(request.match_info["org"])
        if organization is None or organization.type != "Organization":
            raise problems.not_found()
        answer = await handler(OrganizationCall(request, forge, request.get(CALLER), organization))
        answer.headers.setdefault("X-Accepted-GitHub-Permissions", PERMISSIONLESS)
        return answer

    return web.route(method, "/api/v3/orgs/{org}" + path, serve)


def authorised_repository(call: Call, asked: Need) -> Repository:
    """The repository that the path names, if the caller may do `asked` with it; raises GitHub's refusal otherwise."""
    owner, name = call.part("owner"), call.part("repo")
    repository = call.forge.state.repository(owner, name)
    if repository is None:
        raise problems.not_found()
    match judge(call.forge.state, call.caller, repository, asked):
        case Verdict.GRANTED:
            return repository
        case Verdict.ANONYMOUS:
            raise problems.requires_authentication()
        case Verdict.TOKEN_LACKS if call.caller and call.caller.token and call.caller.token.owner:
            raise problems.token_lacks(asked.header)
        case Verdict.TOKEN_LACKS | Verdict.ROLE_LACKS if asked.role is Role.ADMIN:
            raise problems.forbidden("Must have admin rights to Repository.", {"X-Accepted-OAuth-Scopes": asked.scope})
        case Verdict.TOKEN_LACKS | Verdict.ROLE_LACKS | Verdict.INVISIBLE:
            raise problems.Problem(404, "Not Found", headers={"X-Accepted-OAuth-Scopes": asked.scope})


def identify(request: web.Request) -> None:
    """Note who asks: `Authorization: Bearer`, `token`, or basic with the token as password. Raises the 401 for a bad token."""
    header = request.headers.get("Authorization")
    if header is None:
        return
    caller = request.app[FORGE].caller_of_token(secret_of(header))
    if caller is None:
        raise problems.bad_credentials()
    request[CALLER] = caller


def identity_headers(caller: Caller | None) -> dict[str, str]:
    """What every answer says about the token used."""
    token = caller.token if caller else None
    if token is None:
        return {}
    headers = {} if token.owner else {"X-OAuth-Scopes": ", ".join(token.scopes)}
    if token.expires_at:
        moment = token.expires_at.replace("T", " ").replace("Z", " UTC")
        headers["GitHub-Authentication-Token-Expiration"] = moment
    return headers


def secret_of(header: str) -> str:
    """The token in an Authorization header; empty when there is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() in {"bearer", "token"}:
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        login, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return ""
    return login if password in {"", "x-oauth-basic"} else password


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )


def nothing() -> web.Response:
    return web.Response(status=204)


def window(call: Call) -> tuple[int, int]:
    """The page asked for: (how many to skip, how many to give)."""
    size = min(max(_positive(call.query("per_page"), PAGE_SIZE), 1), PAGE_LIMIT)
    return (max(_positive(call.query("page"), 1), 1) - 1) * size, size


def page(call: Call, items: Sequence[T], render: Callable[[T], Any]) -> web.Response:
    """The page of `items` that was asked for, with GitHub's Link header."""
    skip, size = window(call)
    return answer([render(item) for item in items[skip : skip + size]], headers=links(call, len(items)))


def links(call: Call, total: int) -> dict[str, str]:
    """`Link: <…>; rel="next"` and its companions, when there is more than one page of `total` items."""
    skip, size = window(call)
    here, last = skip // size + 1, max(-(-total // size), 1)
    targets = {"prev": here - 1, "next": here + 1, "last": last, "first": 1}
    wanted = {
        rel: number
        for rel, number in targets.items()
        if (rel in {"prev", "first"} and here > 1) or (rel in {"next", "last"} and here < last)
    }
    base = URL(call.forge.url).join(call.request.rel_url)
    parts = [f'<{base.update_query(page=str(number))}>; rel="{rel}"' for rel, number in wanted.items()]
    return {"Link": ", ".join(parts)} if parts else {}


def checked_name(text: str, check: Callable[[str], str], resource: str, field: str) -> str:
    """`text` if `check` accepts it; raises the 422 otherwise."""
    try:
        return check(text)
    except names.BadName as error:
        raise problems.invalid(resource, field, "custom", str(error)) from error


def _positive(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else default
