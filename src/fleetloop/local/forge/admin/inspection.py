"""Looks into repositories: state, history and files, without a clone and without a person's rights."""

from typing import Any

import msgspec
from aiohttp import web

from .. import names
from ..api.call import answer
from ..api.problems import not_found
from ..bare_git import BareRepository
from ..forge import Forge
from ..model import Repository
from .call import REPOSITORY, admin_route, repository_of

COMMIT_LIMIT = 1000


async def inspect_repository(request: web.Request, forge: Forge) -> web.Response:
    return answer(await inspected(forge, repository_of(request, forge)))


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
    if entry is None or entry.kind != "blob":
        raise not_found()
    return web.Response(body=await git.blob(entry.sha), content_type="application/octet-stream")


async def read_commit(request: web.Request, forge: Forge) -> web.Response:
    """The commit object as git stores it, with its signature."""
    git, sha = await _resolved(request, forge)
    if sha is None:
        raise not_found()
    return web.Response(body=await git.raw_commit(sha), content_type="application/octet-stream")


async def inspected(forge: Forge, repository: Repository) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(repository)
    for hook in shown["hooks"]:
        del hook["secret"]
    refs = await forge.git(repository).refs()
    branches = {ref.removeprefix("refs/heads/"): sha for ref, sha in refs.items() if ref.startswith("refs/heads/")}
    return shown | {"full_name": repository.full_name, "refs": refs, "branches": branches}


async def _resolved(request: web.Request, forge: Forge) -> tuple[BareRepository, str | None]:
    repository = repository_of(request, forge)
    git = forge.git(repository)
    return git, await git.resolve(names.revision(request.query.get("ref") or repository.default_branch))


ROUTES = [
    admin_route("GET", REPOSITORY, inspect_repository),
    admin_route("GET", REPOSITORY + "/commits", list_commits),
    admin_route("GET", REPOSITORY + "/commit", read_commit),
    admin_route("GET", REPOSITORY + "/files", list_files),
    admin_route("GET", REPOSITORY + "/files/{path:.+}", read_file),
]
