"""Commit statuses: what a system says about a commit, by context."""

from typing import Any, Literal

import msgspec
from aiohttp import web

from .. import names
from ..access import need
from ..forge import STATUSES_KEPT
from ..model import CommitStatus, Role
from . import git_shapes, problems, shapes
from .call import RepositoryCall, answer, page, repository_route
from .commits import git_of, resolved

READ = need(("statuses", "read"), role=Role.PULL, scope="repo:status")
WRITE = need(("statuses", "write"), role=Role.PUSH, scope="repo:status")
DESCRIPTION_LIMIT = 140  # characters; GitHub refuses more
CONTEXT_LIMIT = 1000  # statuses of one context and commit
WORST_FIRST = {"failure": ("failure", "error"), "pending": ("pending",)}


class NewStatus(msgspec.Struct):
    state: Literal["error", "failure", "pending", "success"]
    target_url: str | None = None
    description: str | None = None
    context: str = "default"


async def create_status(call: RepositoryCall) -> web.Response:
    """GitHub: what is wrong with the body or the commit is said (422) only to those who may write."""
    wish, sha, repository, forge = await call.body(NewStatus), call.part("sha"), call.repository, call.forge
    if not names.SHA.fullmatch(sha) or await git_of(call).resolve(sha) is None:
        raise problems.Problem(422, f"No commit found for SHA: {sha}")
    if len(wish.description or "") > DESCRIPTION_LIMIT:
        message = f"description is too long (maximum is {DESCRIPTION_LIMIT} characters)"
        raise problems.invalid("Status", "description", "custom", message)
    if sum(held.sha == sha and held.context == wish.context for held in repository.statuses) >= CONTEXT_LIMIT:
        message = "This SHA and context has reached the maximum number of statuses."
        raise problems.invalid("Status", "base", "custom", message)
    status = CommitStatus(
        forge.state.new_id(),
        sha,
        wish.state,
        wish.context,
        wish.description,
        wish.target_url or None,
        call.person.login,
        forge.now(),
    )
    repository.statuses.append(status)
    del repository.statuses[:-STATUSES_KEPT]
    await forge.save()
    return answer(_shown(call, status), 201, {"Location": f"{call.url}/statuses/{sha}"})


async def list_statuses(call: RepositoryCall) -> web.Response:
    """All statuses of a commit, newest first."""
    sha = await resolved(call, call.part("ref"))
    return page(call, _of(call, sha), lambda status: _shown(call, status))


async def combined_status(call: RepositoryCall) -> web.Response:
    """The newest status of each context, and what they come to together."""
    sha = await resolved(call, call.part("ref"))
    newest: dict[str, CommitStatus] = {}
    for status in _of(call, sha):
        newest.setdefault(status.context, status)
    owner = call.forge.state.accounts[call.repository.owner.lower()]
    body = {
        "state": combined([status.state for status in newest.values()]),
        "sha": sha,
        "total_count": len(newest),
        "statuses": [git_shapes.status(call.url, call.api, status, None) for status in newest.values()],
        "repository": shapes.minimal_repository(call.api, call.repository, owner),
        "commit_url": f"{call.url}/commits/{sha}",
        "url": f"{call.url}/commits/{sha}/status",
    }
    return answer(body)


def combined(states: list[str]) -> str:
    """failure before pending before success; pending when there is none (GitHub: get the combined status)."""
    for word, causes in WORST_FIRST.items():
        if any(state in causes for state in states):
            return word
    return "success" if states else "pending"


def _of(call: RepositoryCall, sha: str) -> list[CommitStatus]:
    return [status for status in reversed(call.repository.statuses) if status.sha == sha]


def _shown(call: RepositoryCall, status: CommitStatus) -> dict[str, Any]:
    creator = call.forge.state.account(status.creator)
    return git_shapes.status(call.url, call.api, status, creator)


ROUTES = [
    repository_route("POST", "/statuses/{sha}", WRITE, create_status),
    repository_route("GET", "/commits/{ref:.+}/statuses", READ, list_statuses),
    repository_route("GET", "/commits/{ref:.+}/status", READ, combined_status),
]
