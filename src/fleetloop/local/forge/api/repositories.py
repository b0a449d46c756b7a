"""Repositories: list, create, read, change, delete."""

from typing import Any, Literal

import msgspec
from aiohttp import web

from .. import names
from ..access import Caller, has_scope, holds, is_visible, need, role_on
from ..bare_git import Signature
from ..forge import Exists
from ..model import Account, Repository, Role
from . import problems, shapes
from .call import (
    Call,
    OrganizationCall,
    RepositoryCall,
    answer,
    checked_name,
    nothing,
    organization_route,
    page,
    repository_route,
    route,
)

READ = need(("metadata", "read"), role=Role.PULL)
ADMINISTER = need(("administration", "write"), role=Role.ADMIN)
DELETE = need(("administration", "write"), role=Role.ADMIN, scope="delete_repo")
CREATE = need(("administration", "write"), role=Role.NONE)
Visibility = Literal["public", "private", "internal"]


class NewRepository(msgspec.Struct):
    """The fields that matter here; GitHub accepts many more, and so do we, without effect."""

    name: str
    description: str | None = None
    private: bool = False
    visibility: Visibility | None = None
    auto_init: bool = False


class RepositoryChange(msgspec.Struct):
    name: str | None = None
    description: str | None = None
    private: bool | None = None
    visibility: Visibility | None = None
    default_branch: str | None = None
    archived: bool | None = None


async def list_own(call: Call) -> web.Response:
    """Repositories in which the caller has a role, and which the token covers."""
    login = call.person.login
    found = [repository for repository in _visible(call) if _is_concerned(call, login, repository)]
    return page(call, found, lambda repository: shown(call, repository))


async def list_of_organization(call: OrganizationCall) -> web.Response:
    found = [repository for repository in _visible(call) if repository.owner == call.organization.login]
    return page(call, found, lambda repository: shown(call, repository))


async def create_own(call: Call) -> web.Response:
    return await _create(call, call.person)


async def create_in_organization(call: OrganizationCall) -> web.Response:
    if call.person.login not in call.organization.members:
        raise problems.forbidden("You need admin access to the organization before adding a repository to it.")
    return await _create(call, call.organization)


async def get_repository(call: RepositoryCall) -> web.Response:
    return answer(shown(call, call.repository))


async def change_repository(call: RepositoryCall) -> web.Response:
    wish, repository, forge = await call.body(RepositoryChange), call.repository, call.forge
    if wish.default_branch and wish.default_branch != repository.default_branch:
        branch = checked_name(wish.default_branch, names.ref_name, "Repository", "default_branch")
        if f"refs/heads/{branch}" not in await forge.git(repository).refs("refs/heads/"):
            message = f"The branch {branch} was not found. Please push that ref first or create it via the Git Data API."
            raise problems.invalid("Repository", "default_branch", "invalid", message)
        await forge.git(repository).set_default_branch(branch)
        repository.default_branch = branch
    if wish.name and wish.name != repository.name:
        name = checked_name(wish.name, names.repository_name, "Repository", "name")
        try:
            await forge.rename_repository(repository, name)
        except Exists as error:
            raise _name_taken() from error
    if wish.visibility or wish.private is not None:
        repository.private = wish.visibility != "public" if wish.visibility else bool(wish.private)
    if wish.description is not None:
        repository.description = wish.description
    if wish.archived is not None:
        repository.archived = wish.archived
    repository.updated_at = forge.now()
    await forge.save()
    return answer(shown(call, repository))


async def delete_repository(call: RepositoryCall) -> web.Response:
    await call.forge.delete_repository(call.repository)
    return nothing()


def shown(call: Call, repository: Repository) -> dict[str, Any]:
    """The repository as this caller sees it."""
    state = call.forge.state
    owner = state.accounts[repository.owner.lower()]
    role = role_on(state, call.caller.account.login, repository) if call.caller else Role.PULL
    return shapes.full_repository(call.api, call.forge.ssh_url, repository, owner, role)


async def _create(call: Call, owner: Account) -> web.Response:
    _authorise_creation(call.caller, owner)
    wish, forge = await call.body(NewRepository), call.forge
    name = checked_name(wish.name, names.repository_name, "Repository", "name")
    private = wish.visibility != "public" if wish.visibility else wish.private
    if call.caller and call.caller.token and not call.caller.token.owner and private:
        _require_scope(call.caller, "repo")
    try:
        repository = await forge.create_repository(owner, name, private, wish.description)
    except Exists as error:
        raise _name_taken() from error
    if wish.auto_init:
        await _first_commit(call, repository)
    await forge.save()
    return answer(shown(call, repository), 201, {"Location": f"{call.api}/repos/{repository.full_name}"})


async def _first_commit(call: Call, repository: Repository) -> None:
    git, person, now = call.forge.git(repository), call.person, call.forge.now()
    blob = await git.write_blob(f"# {repository.name}\n".encode())
    who = Signature(person.name, person.email, now)
    sha = await git.write_commit(await git.tree_with(None, "README.md", blob), (), "Initial commit", who, who)
    await git.update_ref(f"refs/heads/{repository.default_branch}", sha, "0" * 40)
    await call.forge.refs_changed(repository, person.login)


def _authorise_creation(caller: Caller | None, owner: Account) -> None:
    """GitHub: a fine-grained token creates only for its owner, and only when it covers all repositories."""
    if caller is None or caller.token is None:
        raise problems.requires_authentication()
    token = caller.token
    if not token.owner:
        return _require_scope(caller, "public_repo")
    if token.owner.lower() != owner.login.lower() or token.repositories is not None or not holds(token, CREATE):
        raise problems.token_lacks(CREATE.header)
    return None


def _require_scope(caller: Caller, scope: str) -> None:
    if caller.token and not has_scope(caller.token, scope):
        headers = {"X-Accepted-OAuth-Scopes": "public_repo, repo"}
        raise problems.Problem(404, "Not Found", headers=headers)


def _name_taken() -> problems.Problem:
    detail = {
        "resource": "Repository",
        "code": "custom",
        "field": "name",
        "message": "name already exists on this account",
    }
    return problems.Problem(422, "Repository creation failed.", errors=[detail])


def _visible(call: Call) -> list[Repository]:
    state = call.forge.state
    return [found for found in state.repositories.values() if is_visible(state, call.caller, found)]


def _is_concerned(call: Call, login: str, repository: Repository) -> bool:
    floor = Role.NONE if repository.private else Role.PULL
    return role_on(call.forge.state, login, repository) > floor


ROUTES = [
    route("GET", "/user/repos", list_own),
    route("POST", "/user/repos", create_own),
    organization_route("GET", "/repos", list_of_organization),
    organization_route("POST", "/repos", create_in_organization),
    repository_route("GET", "", READ, get_repository),
    repository_route("PATCH", "", ADMINISTER, change_repository),
    repository_route("DELETE", "", DELETE, delete_repository),
]
