"""Git refs and trees by the API: branches and tags without a clone."""

from typing import Any

import msgspec
from aiohttp import web

from .. import names
from ..access import need
from ..bare_git import GitFailed
from ..forge import NOTHING
from ..model import Role
from . import git_shapes, problems
from .call import RepositoryCall, answer, nothing, page, repository_route
from .commits import git_of

READ = need(("contents", "read"), role=Role.PULL)
WRITE = need(("contents", "write"), role=Role.PUSH)
TREE_LIMIT = 100_000  # entries; GitHub's


class NewRef(msgspec.Struct):
    ref: str
    sha: str


class RefMove(msgspec.Struct):
    sha: str
    force: bool = False


async def get_ref(call: RepositoryCall) -> web.Response:
    refs, name = await _refs(call), _full(call)
    if name not in refs:
        raise problems.not_found("/git/refs#get-a-reference")
    return answer(await _shown(call, name, refs[name]))


async def list_refs(call: RepositoryCall) -> web.Response:
    """All refs, or those whose name begins with the given one."""
    start = "refs/" + call.request.match_info.get("ref", "")
    found = [await _shown(call, name, sha) for name, sha in (await _refs(call)).items() if name.startswith(start)]
    return page(call, found, lambda shown: shown)


async def create_ref(call: RepositoryCall) -> web.Response:
    wish, git = await call.body(NewRef), git_of(call)
    name = _checked(wish.ref)
    if not await git.refs():
        raise problems.conflict("Git Repository is empty.")
    await _require_object(call, wish.sha)
    if name in await git.refs():
        raise problems.Problem(422, "Reference already exists")
    await _move(call, name, wish.sha, NOTHING)
    return answer(await _shown(call, name, wish.sha), 201, {"Location": f"{call.url}/git/{name}"})


async def move_ref(call: RepositoryCall) -> web.Response:
    wish, git, name = await call.body(RefMove), git_of(call), _full(call)
    old = (await git.refs()).get(name)
    if old is None:
        raise problems.Problem(422, "Reference does not exist")
    await _require_object(call, wish.sha)
    if not wish.force and name.startswith("refs/heads/") and not await git.is_ancestor(old, wish.sha):
        raise problems.Problem(422, "Update is not a fast forward")
    await _move(call, name, wish.sha, old)
    return answer(await _shown(call, name, wish.sha))


async def delete_ref(call: RepositoryCall) -> web.Response:
    git, name = git_of(call), _full(call)
    old = (await git.refs()).get(name)
    if old is None:
        raise problems.Problem(422, "Reference does not exist")
    if name == f"refs/heads/{call.repository.default_branch}":
        raise problems.Problem(422, "Cannot delete the default branch")
    await git.delete_ref(name, old)
    await call.forge.refs_changed(call.repository, call.person.login)
    return nothing()


async def get_tree(call: RepositoryCall) -> web.Response:
    """Schema git-tree; with `recursive`, files of all folders below."""
    git = git_of(call)
    try:
        revision = names.revision(call.part("sha"))
    except names.BadName as error:
        raise problems.not_found() from error
    sha = revision if await git.object_type(revision) == "tree" else await git.resolve(revision)
    if sha is None:
        raise problems.not_found("/git/trees#get-a-tree")
    walk = git.whole_tree if "recursive" in call.request.query else git.tree
    entries = await walk(sha)
    shown = [
        {"path": path, "mode": mode, "type": kind, "sha": one, "size": size, "url": f"{call.url}/git/{kind}s/{one}"}
        for mode, kind, one, size, path in entries[:TREE_LIMIT]
    ]
    truncated = len(entries) > TREE_LIMIT
    return answer({"sha": sha, "url": f"{call.url}/git/trees/{sha}", "tree": shown, "truncated": truncated})


async def _refs(call: RepositoryCall) -> dict[str, str]:
    refs = await git_of(call).refs()
    if not refs:
        raise problems.conflict("Git Repository is empty.")
    return refs


async def _move(call: RepositoryCall, name: str, new: str, old: str) -> None:
    try:
        await git_of(call).update_ref(name, new, old)
    except GitFailed as error:
        raise problems.conflict(f"Reference {name} was changed by somebody else") from error
    await call.forge.refs_changed(call.repository, call.person.login)


async def _require_object(call: RepositoryCall, sha: str) -> None:
    if not names.SHA.fullmatch(sha):
        raise problems.Problem(422, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
    if await git_of(call).object_type(sha) is None:
        raise problems.Problem(422, "Object does not exist")


def _full(call: RepositoryCall) -> str:
    """The ref that the path names without its `refs/`."""
    try:
        return names.ref_name("refs/" + call.part("ref"))
    except names.BadName as error:
        raise problems.not_found("/git/refs") from error


def _checked(name: str) -> str:
    if not name.startswith(("refs/heads/", "refs/tags/")) or len(name.rsplit("/", maxsplit=1)[-1]) == 0:
        raise problems.Problem(422, "Reference name must start with 'refs/' and contain at least one more slash.")
    try:
        return names.ref_name(name)
    except names.BadName as error:
        raise problems.Problem(422, f"{name[:100]} is not a valid ref name.") from error


async def _shown(call: RepositoryCall, name: str, sha: str) -> dict[str, Any]:
    return git_shapes.ref(call.url, name, sha, await git_of(call).object_type(sha) or "commit")


ROUTES = [
    repository_route("GET", "/git/ref/{ref:.+}", READ, get_ref),
    repository_route("GET", "/git/matching-refs/{ref:.+}", READ, list_refs),
    repository_route("POST", "/git/refs", WRITE, create_ref),
    repository_route("PATCH", "/git/refs/{ref:.+}", WRITE, move_ref),
    repository_route("DELETE", "/git/refs/{ref:.+}", WRITE, delete_ref),
    repository_route("GET", "/git/trees/{sha:.+}", READ, get_tree),
]
