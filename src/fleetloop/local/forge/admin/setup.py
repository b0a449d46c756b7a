"""Makes people, organisations, teams, tokens, repositories and what hangs on them."""

from typing import Literal

import msgspec
from aiohttp import web

from .. import access, names
from ..api import hooks
from ..api.call import answer, nothing
from ..api.keys import normal_key
from ..api.problems import Problem
from ..forge import Exists, Forge
from ..model import ROLES, PublicKey, Token
from .call import REPOSITORY, account_named, admin_route, body_of, repository_of
from .inspection import inspected


class NewAccount(msgspec.Struct):
    login: str
    name: str = ""
    email: str = ""
    owners: list[str] = []
    members: list[str] = []
    base_role: Literal["none", "pull", "push", "admin"] | None = None  # None: as it is


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


class KnownToken(msgspec.Struct):
    token: str


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


async def create_user(request: web.Request, forge: Forge) -> web.Response:
    wish = await body_of(request, NewAccount)
    account = forge.ensure_account(wish.login, "User", wish.name, wish.email)
    await forge.save()
    return answer(account, 201)


async def create_organization(request: web.Request, forge: Forge) -> web.Response:
    wish = await body_of(request, NewAccount)
    people = dict.fromkeys(wish.owners, "admin") | dict.fromkeys(wish.members, "member")
    for login in people:
        account_named(forge, login)
    account = forge.ensure_account(wish.login, "Organization", wish.name, wish.email)
    account.members |= people
    account.base_role = wish.base_role or account.base_role
    await forge.save()
    return answer(account, 201)


async def create_team(request: web.Request, forge: Forge) -> web.Response:
    wish = await body_of(request, NewTeam)
    organization = account_named(forge, request.match_info["org"])
    team = forge.ensure_team(organization, wish.name, wish.permission)
    for login in wish.members:
        organization.members.setdefault(account_named(forge, login).login, "member")
    team.members = sorted({*team.members, *wish.members})
    await forge.save()
    return answer(team, 201)


async def create_token(request: web.Request, forge: Forge) -> web.Response:
    wish = await body_of(request, NewToken)
    unknown = (wish.permissions.keys() - access.REPOSITORY_PERMISSIONS - access.ORGANIZATION_PERMISSIONS) | (
        set(wish.scopes) - access.SCOPES
    )
    if unknown or not set(wish.permissions.values()) <= access.LEVELS.keys():
        raise Problem(422, f"token: unknown permissions, levels or scopes {sorted(unknown)}")
    account = account_named(forge, wish.user)
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


async def revoke_token(request: web.Request, forge: Forge) -> web.Response:
    forge.revoke_token((await body_of(request, KnownToken)).token)
    await forge.save()
    return nothing()


async def create_repository(request: web.Request, forge: Forge) -> web.Response:
    wish = await body_of(request, NewRepository)
    owner = account_named(forge, wish.owner)
    found = forge.state.repository(wish.owner, wish.name)
    repository = found or await forge.create_repository(owner, wish.name, wish.private, default_branch=wish.default_branch)
    await forge.save()
    return answer(await inspected(forge, repository), 201)


async def add_user_key(request: web.Request, forge: Forge) -> web.Response:
    wish = await body_of(request, NewUserKey)
    account, text = account_named(forge, request.match_info["login"]), normal_key(wish.key)
    if all(held.key != text for held in account.keys):
        if forge.owner_of_key(text):
            raise Exists("key is already in use")
        title = wish.title or "key"
        account.keys.append(PublicKey(forge.state.new_id(), title, text, False, forge.now(), account.login))
        await forge.save()
    return answer(account.keys, 201)


async def set_collaborator(request: web.Request, forge: Forge) -> web.Response:
    wish = await body_of(request, Collaboration)
    if wish.permission not in ROLES:
        raise Problem(422, f"collaborator: permission must be one of {', '.join(ROLES)}")
    login = account_named(forge, request.match_info["login"]).login
    repository_of(request, forge).collaborators[login] = wish.permission
    await forge.save()
    return nothing()


async def protect_branches(request: web.Request, forge: Forge) -> web.Response:
    wish = await body_of(request, Protection)
    repository_of(request, forge).protected = [names.ref_name(branch) for branch in wish.branches]
    await forge.save()
    return nothing()


async def create_hook(request: web.Request, forge: Forge) -> web.Response:
    hook = hooks.hook_of(await body_of(request, hooks.NewHook), forge)
    repository_of(request, forge).hooks.append(hook)
    await forge.save()
    return answer({"id": hook.id}, 201)


ROUTES = [
    admin_route("POST", "/users", create_user),
    admin_route("POST", "/users/{login}/keys", add_user_key),
    admin_route("POST", "/orgs", create_organization),
    admin_route("POST", "/orgs/{org}/teams", create_team),
    admin_route("POST", "/tokens", create_token),
    admin_route("DELETE", "/tokens", revoke_token),
    admin_route("POST", "/repos", create_repository),
    admin_route("PUT", REPOSITORY + "/collaborators/{login}", set_collaborator),
    admin_route("PUT", REPOSITORY + "/protected", protect_branches),
    admin_route("POST", REPOSITORY + "/hooks", create_hook),
]
