"""Commits, branches and comparisons: what the history holds."""

from typing import Any

from aiohttp import web

from .. import names
from ..access import need
from ..bare_git import BareRepository, Commit
from ..model import Role
from . import git_shapes, problems, shapes
from .call import RepositoryCall, answer, checked_name, links, page, repository_route, window

READ = need(("contents", "read"), role=Role.PULL)
COMPARED_LIMIT = 250  # commits; GitHub's


async def list_commits(call: RepositoryCall) -> web.Response:
    git = git_of(call)
    start = await resolved(call, call.query("sha") or call.repository.default_branch)
    path = call.query("path").strip("/")
    if path:
        path = checked_name(path, names.file_path, "Commit", "path")
    skip, size = window(call)
    found = await git.commits(start, size + 1, skip, path)
    users = users_by_email(call)
    shown = [git_shapes.commit(call.url, site(call), one, users, None) for one in found[:size]]
    return answer(shown, headers=links(call, skip + len(found)))


async def get_commit(call: RepositoryCall) -> web.Response:
    git, sha = git_of(call), await resolved(call, call.part("ref"))
    found, before = await git.commit(sha), await git.before(sha)
    changes, lines = await git.changes_between(before, sha), await git.line_counts(before, sha)
    added, removed = sum(pair[0] for pair in lines.values()), sum(pair[1] for pair in lines.values())
    shown = git_shapes.commit(call.url, site(call), found, users_by_email(call), await git.raw_commit(sha))
    stats = {"additions": added, "deletions": removed, "total": added + removed}
    return answer(shown | {"stats": stats, "files": git_shapes.changed_files(call.url, site(call), sha, changes, lines)})


async def list_branches(call: RepositoryCall) -> web.Response:
    refs = await git_of(call).refs("refs/heads/")
    branches = [(ref.removeprefix("refs/heads/"), sha) for ref, sha in refs.items()]
    return page(call, branches, lambda found: _short_branch(call, *found))


async def get_branch(call: RepositoryCall) -> web.Response:
    git, name = git_of(call), call.part("branch")
    sha = (await git.refs("refs/heads/")).get(f"refs/heads/{name}")
    if sha is None:
        raise problems.Problem(404, "Branch not found", page="/branches/branches#get-a-branch")
    here, found = f"{call.url}/branches/{name}", await git.commit(sha)
    commit = git_shapes.commit(call.url, site(call), found, users_by_email(call), await git.raw_commit(sha))
    protected = name in call.repository.protected
    return answer(
        _short_branch(call, name, sha)
        | {
            "commit": commit,
            "_links": {"self": here, "html": f"{site(call)}/tree/{name}"},
            "protection": {"enabled": protected},
            "protection_url": f"{here}/protection",
        }
    )


async def compare(call: RepositoryCall) -> web.Response:
    """`base...head`: what head has that base has not."""
    names_of = call.part("basehead").split("...")
    if len(names_of) != 2:
        raise problems.not_found()
    git = git_of(call)
    base, head = await resolved(call, names_of[0]), await resolved(call, names_of[1])
    merge_base = await git.merge_base(base, head)
    if merge_base is None:
        raise problems.Problem(404, f"No common ancestor between {names_of[0]} and {names_of[1]}.")
    ahead, behind = await git.count(head, base), await git.count(base, head)
    commits = await git.commits(head, COMPARED_LIMIT, exclude=base)
    changes, lines = await git.changes_between(merge_base, head), await git.line_counts(merge_base, head)
    here, html = f"{call.url}/compare/{call.part('basehead')}", f"{site(call)}/compare/{call.part('basehead')}"
    return answer(
        {
            "url": here,
            "html_url": html,
            "permalink_url": f"{site(call)}/compare/{base[:7]}...{head[:7]}",
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "base_commit": _shown(call, await git.commit(base)),
            "merge_base_commit": _shown(call, await git.commit(merge_base)),
            "status": _relation(ahead, behind),
            "ahead_by": ahead,
            "behind_by": behind,
            "total_commits": ahead,
            "commits": [_shown(call, one) for one in reversed(commits)],
            "files": git_shapes.changed_files(call.url, site(call), head, changes, lines),
        }
    )


def git_of(call: RepositoryCall) -> BareRepository:
    return call.forge.git(call.repository)


def site(call: RepositoryCall) -> str:
    """The repository's web address."""
    return f"{call.forge.url}/{call.repository.full_name}"


def users_by_email(call: RepositoryCall) -> dict[str, dict[str, Any]]:
    """GitHub ties commits to accounts by email."""
    people = [found for found in call.forge.state.accounts.values() if found.type == "User"]
    return {found.email: shapes.simple_user(call.api, found) for found in people}


async def resolved(call: RepositoryCall, text: str) -> str:
    """The commit id of a branch, tag or id; raises the 409 for an empty repository and the 404 or 422 for no commit."""
    git = git_of(call)
    try:
        sha = await git.resolve(names.revision(text))
    except names.BadName:
        sha = None
    if sha:
        return sha
    if not await git.refs():
        raise problems.conflict("Git Repository is empty.")
    if names.SHA.fullmatch(text):
        raise problems.Problem(422, f"No commit found for SHA: {text}")
    raise problems.not_found("/commits/commits")


def _shown(call: RepositoryCall, found: Commit) -> dict[str, Any]:
    return git_shapes.commit(call.url, site(call), found, users_by_email(call), None)


def _short_branch(call: RepositoryCall, name: str, sha: str) -> dict[str, Any]:
    commit = {"sha": sha, "url": f"{call.url}/commits/{sha}"}
    return {"name": name, "commit": commit, "protected": name in call.repository.protected}


def _relation(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    if ahead:
        return "ahead"
    return "behind" if behind else "identical"


ROUTES = [
    repository_route("GET", "/branches", need(("contents", "read"), role=Role.PULL), list_branches),
    repository_route("GET", "/branches/{branch:.+}", READ, get_branch),
    repository_route("GET", "/commits", READ, list_commits),
    repository_route("GET", "/commits/{ref:.+}", READ, get_commit),
    repository_route("GET", "/compare/{basehead:.+}", READ, compare),
]
