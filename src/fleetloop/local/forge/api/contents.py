"""Files by the API: read one or a folder, write or delete one with a commit of its own."""

import base64
import binascii
from typing import Annotated, Any

import msgspec
from aiohttp import web

from .. import names
from ..access import need
from ..bare_git import GitFailed, Signature, TreeEntry
from ..forge import NOTHING
from ..model import Role
from . import git_shapes, problems
from .call import RepositoryCall, answer, checked_name, repository_route
from .commits import git_of, resolved, site

READ = need(("contents", "read"), role=Role.PULL)
WRITE = need(("contents", "write"), role=Role.PUSH)
RAW = "application/vnd.github.raw"


Line = Annotated[str, msgspec.Meta(min_length=1, max_length=250, pattern=r"^[^\x00-\x1f<>]+$")]


class Person(msgspec.Struct):
    name: Line
    email: Line
    date: Line | None = None


class FileChange(msgspec.Struct):
    """`content` is base64; `sha` is the blob that is replaced, needed exactly when there is one."""

    message: str
    content: str
    sha: str = ""
    branch: str = ""
    author: Person | None = None
    committer: Person | None = None


class FileDeletion(msgspec.Struct):
    message: str
    sha: str
    branch: str = ""
    author: Person | None = None
    committer: Person | None = None


async def get_contents(call: RepositoryCall) -> web.Response:
    git, path = git_of(call), _path(call)
    revision = call.query("ref") or call.repository.default_branch
    sha = await _readable(call, revision)
    found = await git.entry(sha, path) if path else None
    if path and found is None:
        raise problems.not_found("/repos/contents#get-repository-content")
    if found and found.kind == "blob":
        content = await git.blob(found.sha)
        if call.request.headers.get("Accept", "").startswith(RAW):
            return web.Response(body=content, content_type=RAW)
        return answer(git_shapes.file(call.url, site(call), revision, found, content))
    return answer([git_shapes.entry(call.url, site(call), revision, one) for one in await git.tree(sha, path)])


async def put_contents(call: RepositoryCall) -> web.Response:
    wish = await call.body(FileChange)
    try:
        content = base64.b64decode(wish.content)
    except binascii.Error as error:
        raise problems.Problem(422, "content is not valid Base64") from error
    path = _path(call)
    blob = await git_of(call).write_blob(content)
    existed, sha = await _commit(call, wish, path, blob)
    shown = git_shapes.entry(call.url, site(call), sha, TreeEntry("100644", "blob", blob, len(content), path))
    return answer(await _result(call, sha, shown), 200 if existed else 201)


async def delete_contents(call: RepositoryCall) -> web.Response:
    wish = await call.body(FileDeletion)
    _, sha = await _commit(call, wish, _path(call), None)
    return answer(await _result(call, sha, None))


async def _commit(call: RepositoryCall, wish: FileChange | FileDeletion, path: str, blob: str | None) -> tuple[bool, str]:
    """Put `blob` at `path` on the branch (None: delete); (whether the file was there, the new commit)."""
    git = git_of(call)
    branch = checked_name(wish.branch or call.repository.default_branch, names.ref_name, "Commit", "branch")
    head = (await git.refs("refs/heads/")).get(f"refs/heads/{branch}")
    if head is None and (wish.branch and await git.refs()):
        raise problems.Problem(404, f"Branch {branch} not found")
    held = await git.entry(head, path) if head else None
    if blob is None and held is None:
        raise problems.not_found()
    if held and not wish.sha:
        raise problems.Problem(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if held and held.sha != wish.sha:
        raise problems.conflict(f"{path} does not match {wish.sha[:40]}")
    tree = await git.tree_with(head, path, blob)
    author, committer = _people(call, wish)
    sha = await git.write_commit(tree, [head] if head else [], wish.message, author, committer)
    try:
        await git.update_ref(f"refs/heads/{branch}", sha, head or NOTHING)
    except GitFailed as error:
        raise problems.conflict(f"branch {branch} was changed by somebody else") from error
    await call.forge.refs_changed(call.repository, call.person.login)
    return held is not None, sha


def _people(call: RepositoryCall, wish: FileChange | FileDeletion) -> tuple[Signature, Signature]:
    """Author and committer: those given, else the caller; the author defaults to the committer."""
    now, account = call.forge.now(), call.person
    caller = Person(account.name, account.email)
    committer = wish.committer or caller
    author = wish.author or committer
    return _signature(author, now), _signature(committer, now)


def _signature(person: Person, now: str) -> Signature:
    return Signature(person.name, person.email, person.date or now)


async def _readable(call: RepositoryCall, revision: str) -> str:
    try:
        return await resolved(call, revision)
    except problems.Problem as problem:
        message = "This repository is empty." if problem.status == 409 else f"No commit found for the ref {revision}"
        raise problems.Problem(404, message, page="/repos/contents#get-repository-content") from problem


def _path(call: RepositoryCall) -> str:
    """The path asked for, without slashes around it; empty is the root."""
    text = call.request.match_info.get("path", "").strip("/")
    try:
        return names.file_path(text) if text else ""
    except names.BadName as error:
        raise problems.Problem(422, f"path contains a malformed path component: {error}") from error


async def _result(call: RepositoryCall, sha: str, content: dict[str, Any] | None) -> dict[str, Any]:
    commit = git_shapes.file_commit(call.url, site(call), await git_of(call).commit(sha))
    return {"content": content, "commit": commit}


ROUTES = [
    repository_route("GET", "/contents", READ, get_contents),
    repository_route("GET", "/contents/{path:.*}", READ, get_contents),
    repository_route("PUT", "/contents/{path:.+}", WRITE, put_contents),
    repository_route("DELETE", "/contents/{path:.+}", WRITE, delete_contents),
]
