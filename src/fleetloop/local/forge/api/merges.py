"""POST /merges: one branch into another, without a pull request."""

import msgspec
from aiohttp import web

from .. import names
from ..access import need
from ..bare_git import MergeConflict, Signature
from ..merging import BaseMoved, Merge, merge
from ..model import Role
from . import git_shapes, problems
from .call import RepositoryCall, answer, nothing, repository_route
from .commits import git_of, site, users_by_email

WRITE = need(("contents", "write"), role=Role.PUSH)


class NewMerge(msgspec.Struct):
    base: str
    head: str
    commit_message: str = ""


async def merge_branches(call: RepositoryCall) -> web.Response:
    wish, git = await call.body(NewMerge), git_of(call)
    base_sha = (await git.refs("refs/heads/")).get(f"refs/heads/{wish.base}")
    if base_sha is None:
        raise problems.Problem(404, "Base does not exist")
    try:
        head_sha = await git.resolve(names.revision(wish.head))
    except names.BadName:
        head_sha = None
    if head_sha is None:
        raise problems.Problem(404, "Head does not exist")
    if await git.is_ancestor(head_sha, base_sha):
        return nothing()
    person = call.person
    who = Signature(person.name, person.email, call.forge.now())
    message = wish.commit_message or f"Merge {wish.head} into {wish.base}"
    try:
        sha = await merge(git, Merge(wish.base, base_sha, head_sha, message, who, who), "merge")
    except MergeConflict as error:
        raise problems.conflict("Merge conflict") from error
    except BaseMoved as error:
        raise problems.conflict(str(error)) from error
    await call.forge.refs_changed(call.repository, person.login)
    found = git_shapes.commit(call.url, site(call), await git.commit(sha), users_by_email(call), None)
    return answer(found, 201)


ROUTES = [repository_route("POST", "/merges", WRITE, merge_branches)]
