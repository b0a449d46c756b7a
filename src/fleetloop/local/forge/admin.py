"""The forge's own set-up and inspection API below `/admin`: what a person does with the mouse on GitHub. Needs the admin token.

Making is repeatable: what exists is returned as it is. Not part of what GitHub serves.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from . import access, names
from .api import hooks
from .api.call import FORGE, answer, nothing, secret_of
from .api.keys import normal_key
from .api.problems import Problem, bad_credentials, not_found
from .faults import Action, Faults
from .forge import Exists, Forge
from .model import ROLES, Account, PublicKey, Repository, Token
from .request_log import RequestLog

FAULTS = web.AppKey("faults", Faults)
REQUESTS = web.AppKey("requests", RequestLog)
COMMIT_LIMIT = 1000


class NewAccount(msgspec.Struct):
    login: str
    name: str = ""
    email: str = ""
    owners: list[str] = []
    members: list[str] = []
    base_role: str = "pull"


class NewTeam(msgspec.Struct):
    name: str
    members: list[str] = []
    permission: str = "pull"


class NewToken(msgspec.Struct):
    """Fine-grained with `permissions`, else classic with `scopes`. `repositories` None: all of `owner`'s."""

    user: str
    permissions: dict[str, str] = {}
    scopes: list[str] = []
    owner: str = ""
    repositories: list[str] | None = None
    note: str = ""
    expires_in: float | None = None  # seconds


class NewRepository(msgspec.Struct):
    owner: str
    name: str
    private: bool = True
    default_branch: str = "main"


class NewUserKey(msgspec.Struct):
    key: str
    title: str = ""


class Protection(msgspec.Struct):
    branches: list[str]


class Collaboration(msgspec.Struct):
    permission: str


class NewFault(msgspec.Struct):
    action: Action
    prefix: str = "/"
    method: str = ""
    count: int = 1
    status: int = 403
    message: str = "refused by an injected fault"


async def create_user(request: web.Request, forge: Forge) -> web.Response:
    wish = await _body(request, NewAccount)
    account = forge.ensure_account(wish.login, "User", wish.name, wish.email)
    await forge.save()
    return answer(account, 201)


async def create_organization(request: web.Request, forge: Forge) -> web.Response:
    wish = await _body(request, NewAccount)
    people = dict.fromkeys(wish.owners, "admin") | dict.fromkeys(wish.members, "member")
    for login in people:
        _account(forge, login)
    account = forge.ensure_account(wish.login, "Organization", wish.name, wish.email)
    account.members |= people
    account.base_role = wish.base_role
    await forge.save()
    return answer(account, 201)


async def create_team(request: web.Request, forge: Forge) -> web.Response:
    wish = await _body(request, NewTeam)
    organization = _account(forge, request.match_info["org"])
    team = forge.ensure_team(organization, wish.name, wish.permission)
    for login in wish.members:
        organization.members.setdefault(_account(forge, login).login, "member")
    team.members = sorted({*team.members, *wish.members})
    await forge.save()
    return answer(team, 201)


async def create_token(request: web.Request, forge: Forge) -> web.Response:
    wish = await _body(request, NewToken)
    unknown = (wish.permissions.keys() - access.REPOSITORY_PERMISSIONS - access.ORGANIZATION_PERMISSIONS) | (
        set(wish.scopes) - access.SCOPES
    )
    if unknown or not set(wish.permissions.values()) <= access.LEVELS.keys():
        raise Problem(422, f"token: unknown permissions, levels or scopes {sorted(unknown)}")
    account = _account(forge, wish.user)
    owner = wish.owner or (account.login if wish.permissions else "")
    token = Token(
        forge.state.new_id(),
        account.login,
        wish.note,
        forge.now(),
        forge.expiry(wish.expires_in),
        owner,
        wish.repositories,
        wish.permissions,
        wish.scopes,
    )
    secret = forge.issue_token(token)
    await forge.save()
    return answer({"token": secret, "id": token.id, "expires_at": token.expires_at}, 201)


async def delete_token(request: web.Request, forge: Forge) -> web.Response:
    wanted = request.match_info["id"]
    tokens = forge.state.tokens
    for digest in [digest for digest, token in tokens.items() if str(token.id) == wanted]:
        del tokens[digest]
    await forge.save()
    return nothing()


async def create_repository(request: web.Request, forge: Forge) -> web.Response:
    wish = await _body(request, NewRepository)
    owner = _account(forge, wish.owner)
    found = forge.state.repository(wish.owner, wish.name)
    repository = found or await forge.create_repository(owner, wish.name, wish.private, default_branch=wish.default_branch)
    await forge.save()
    return answer(await _inspected(forge, repository), 201)


async def add_user_key(request: web.Request, forge: Forge) -> web.Response:
    wish = await _body(request, NewUserKey)
    account, text = _account(forge, request.match_info["login"]), normal_key(wish.key)
    if all(held.key != text for held in account.keys):
        if forge.owner_of_key(text):
            raise Exists("key is already in use")
        title = wish.title or "key"
        account.keys.append(PublicKey(forge.state.new_id(), title, text, False, forge.now(), account.login))
        await forge.save()
    return answer(account.keys, 201)


async def set_collaborator(request: web.Request, forge: Forge) -> web.Response:
    wish = await _body(request, Collaboration)
    if wish.permission not in ROLES:
        raise Problem(422, f"collaborator: permission must be one of {', '.join(ROLES)}")
    login = _account(forge, request.match_info["login"]).login
    _repository(request, forge).collaborators[login] = wish.permission
    await forge.save()
    return nothing()


async def protect_branches(request: web.Request, forge: Forge) -> web.Response:
    wish = await _body(request, Protection)
    _repository(request, forge).protected = [names.ref_name(branch) for branch in wish.branches]
    await forge.save()
    return nothing()


async def create_hook(request: web.Request, forge: Forge) -> web.Response:
    hook = hooks.hook_of(await _body(request, hooks.NewHook), forge)
    _repository(request, forge).hooks.append(hook)
    await forge.save()
    return answer({"id": hook.id}, 201)


async def inspect_repository(request: web.Request, forge: Forge) -> web.Response:
    return answer(await _inspected(forge, _repository(request, forge)))


async def list_commits(request: web.Request, forge: Forge) -> web.Response:
    """History of `ref` (default branch if absent), newest first; empty for an empty repository."""
    git, sha = await _resolved(request, forge)
    return answer(await git.commits(sha, COMMIT_LIMIT) if sha else [])


async def list_files(request: web.Request, forge: Forge) -> web.Response:
    git, sha = await _resolved(request, forge)
    return answer(await git.files(sha) if sha else [])


async def read_file(request: web.Request, forge: Forge) -> web.Response:
    git, sha = await _resolved(request, forge)
    entry = await git.entry(sha, names.file_path(request.match_info["path"])) if sha else None
    if entry is None or entry[1] != "blob":
        raise not_found()
    return web.Response(body=await git.blob(entry[2]), content_type="application/octet-stream")


async def read_commit(request: web.Request, forge: Forge) -> web.Response:
    """The commit object as git stores it, with its signature."""
    git, sha = await _resolved(request, forge)
    if sha is None:
        raise not_found()
    return web.Response(body=await git.raw_commit(sha), content_type="application/octet-stream")


async def add_fault(request: web.Request, forge: Forge) -> web.Response:
    wish = await _body(request, NewFault)
    fault = request.app[FAULTS].add(wish.action, wish.prefix, wish.method, wish.count, wish.status, wish.message)
    return answer({"id": fault.id}, 201)


async def lift_faults(request: web.Request, forge: Forge) -> web.Response:
    request.app[FAULTS].lift()
    return nothing()


async def list_requests(request: web.Request, forge: Forge) -> web.Response:
    return answer(request.app[REQUESTS].entries())


async def forget_requests(request: web.Request, forge: Forge) -> web.Response:
    request.app[REQUESTS].forget()
    return nothing()


async def _body(request: web.Request, shape: type[Any]) -> Any:
    return msgspec.json.decode(await request.read() or b"{}", type=shape)


def _account(forge: Forge, login: str) -> Account:
    if found := forge.state.account(login):
        return found
    raise Problem(404, f"account {login[:50]!r} does not exist")


def _repository(request: web.Request, forge: Forge) -> Repository:
    if found := forge.state.repository(request.match_info["owner"], request.match_info["repo"]):
        return found
    raise not_found()


async def _resolved(request: web.Request, forge: Forge) -> tuple[Any, str | None]:
    repository = _repository(request, forge)
    git = forge.git(repository)
    return git, await git.resolve(names.revision(request.query.get("ref") or repository.default_branch))


async def _inspected(forge: Forge, repository: Repository) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(repository)
    for hook in shown["hooks"]:
        del hook["secret"]
    refs = await forge.git(repository).refs()
    branches = {ref.removeprefix("refs/heads/"): sha for ref, sha in refs.items() if ref.startswith("refs/heads/")}
    return shown | {"full_name": repository.full_name, "refs": refs, "branches": branches}


AdminHandler = Callable[[web.Request, Forge], Awaitable[web.Response]]


def _route(method: str, path: str, handler: AdminHandler) -> web.RouteDef:
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


REPOSITORY = "/repos/{owner}/{repo}"
ROUTES = [
    _route("POST", "/users", create_user),
    _route("POST", "/users/{login}/keys", add_user_key),
    _route("POST", "/orgs", create_organization),
    _route("POST", "/orgs/{org}/teams", create_team),
    _route("POST", "/tokens", create_token),
    _route("DELETE", "/tokens/{id}", delete_token),
    _route("POST", "/repos", create_repository),
    _route("GET", REPOSITORY, inspect_repository),
    _route("PUT", REPOSITORY + "/collaborators/{login}", set_collaborator),
    _route("PUT", REPOSITORY + "/protected", protect_branches),
    _route("POST", REPOSITORY + "/hooks", create_hook),
    _route("GET", REPOSITORY + "/commits", list_commits),
    _route("GET", REPOSITORY + "/commit", read_commit),
    _route("GET", REPOSITORY + "/files", list_files),
    _route("GET", REPOSITORY + "/files/{path:.+}", read_file),
    _route("POST", "/faults", add_fault),
    _route("DELETE", "/faults", lift_faults),
    _route("GET", "/requests", list_requests),
    _route("DELETE", "/requests", forget_requests),
]
