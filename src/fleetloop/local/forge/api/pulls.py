"""Pull requests between branches of one repository: open, list, change, merge."""

from typing import Any, Literal

import msgspec
from aiohttp import web

from ..access import need, role_on
from ..bare_git import MergeConflict, Signature
from ..merging import BaseMoved, Merge, merge
from ..model import Pull, Role
from . import git_shapes, problems, pull_shapes
from .call import RepositoryCall, answer, nothing, page, repository_route
from .commits import git_of, site, users_by_email
from .repositories import shown as shown_repository

READ = need(("pull_requests", "read"), role=Role.PULL)
WRITE = need(("pull_requests", "write"), role=Role.PULL)
MERGE = need(("contents", "write"), role=Role.PUSH)
LISTED_COMMITS = 250


class NewPull(msgspec.Struct):
    head: str
    base: str
    title: str = ""
    body: str | None = None
    draft: bool = False


class PullChange(msgspec.Struct):
    title: str | None = None
    body: str | None = None
    state: Literal["open", "closed"] | None = None
    base: str | None = None


class MergeWish(msgspec.Struct):
    commit_title: str = ""
    commit_message: str = ""
    sha: str = ""
    merge_method: Literal["merge", "squash", "rebase"] = "merge"


async def list_pulls(call: RepositoryCall) -> web.Response:
    """By `state` (default open), `head` (owner:branch) and `base`; newest first unless `direction=asc`."""
    state, head, base = call.query("state", "open"), call.query("head"), call.query("base")
    found = [
        pull
        for pull in call.repository.pulls
        if state in {"all", pull.state}
        and (not head or head == f"{call.repository.owner}:{pull.head}")
        and (not base or base == pull.base)
    ]
    if call.query("direction", "desc") != "asc":
        found.reverse()
    place = place_of(call)
    return page(call, found, lambda pull: pull_shapes.simple_pull(place, pull, _account(call, pull.author)))


async def create_pull(call: RepositoryCall) -> web.Response:
    wish, forge, repository = await call.body(NewPull), call.forge, call.repository
    head = wish.head.removeprefix(f"{repository.owner}:")
    refs = await git_of(call).refs("refs/heads/")
    head_sha, base_sha = refs.get(f"refs/heads/{head}"), refs.get(f"refs/heads/{wish.base}")
    if not wish.title:
        raise problems.invalid("PullRequest", "title", "missing_field")
    if head_sha is None:
        raise problems.invalid("PullRequest", "head", "invalid")
    if base_sha is None:
        raise problems.invalid("PullRequest", "base", "invalid")
    if any(pull.state == "open" and (pull.head, pull.base) == (head, wish.base) for pull in repository.pulls):
        raise _refused(f"A pull request already exists for {repository.owner}:{head}.")
    if await git_of(call).is_ancestor(head_sha, base_sha):
        raise _refused(f"No commits between {wish.base} and {head}")
    now, number = forge.now(), max((pull.number for pull in repository.pulls), default=0) + 1
    author = call.person.login
    pull = Pull(
        *(forge.state.new_id(), number, author, wish.title, wish.body, head, wish.base),
        *(head_sha, base_sha, now, now, wish.draft),
    )
    repository.pulls.append(pull)
    await _saved(call, pull, "opened")
    return answer(await shown(call, pull), 201, {"Location": f"{call.url}/pulls/{number}"})


async def get_pull(call: RepositoryCall) -> web.Response:
    return answer(await shown(call, found_pull(call)))


async def change_pull(call: RepositoryCall) -> web.Response:
    """The author, or whoever may push."""
    wish, pull, forge = await call.body(PullChange), found_pull(call), call.forge
    role = role_on(forge.state, call.person.login, call.repository)
    if call.person.login != pull.author and role < Role.PUSH:
        raise problems.forbidden("You must be the author or have write access to change this pull request.")
    if wish.state == "open" and pull.merged_at:
        raise problems.invalid("PullRequest", "state", "invalid", "a merged pull request cannot be opened again")
    pull.title = pull.title if wish.title is None else wish.title
    pull.body = pull.body if wish.body is None else wish.body
    pull.base = wish.base or pull.base
    action = "edited"
    if wish.state and wish.state != pull.state:
        action = "closed" if wish.state == "closed" else "reopened"
        pull.state, pull.closed_at = wish.state, forge.now() if wish.state == "closed" else None
    await _saved(call, pull, action)
    return answer(await shown(call, pull))


async def list_commits(call: RepositoryCall) -> web.Response:
    pull = found_pull(call)
    found = await git_of(call).commits(pull.head_sha, LISTED_COMMITS, exclude=pull.base_sha)
    users = users_by_email(call)
    found.reverse()
    return page(call, found, lambda one: git_shapes.commit(call.url, site(call), one, users, None))


async def list_files(call: RepositoryCall) -> web.Response:
    pull, git = found_pull(call), git_of(call)
    start = await git.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha
    changes, lines = await git.changes_between(start, pull.head_sha), await git.line_counts(start, pull.head_sha)
    files = git_shapes.changed_files(call.url, site(call), pull.head_sha, changes, lines)
    return page(call, files, lambda file: file)


async def is_merged(call: RepositoryCall) -> web.Response:
    if found_pull(call).merged_at is None:
        raise problems.not_found("/pulls/pulls#check-if-a-pull-request-has-been-merged")
    return nothing()


async def merge_pull(call: RepositoryCall) -> web.Response:
    wish, pull, forge = await call.body(MergeWish), found_pull(call), call.forge
    if pull.state == "closed" or pull.draft:
        raise problems.Problem(405, "Pull Request is not mergeable")
    if wish.merge_method == "rebase":
        raise problems.Problem(405, "Rebase merges are not allowed on this repository.")
    if wish.sha and wish.sha != pull.head_sha:
        raise problems.conflict("Head branch was modified. Review and try the merge again.")
    base_sha = (await git_of(call).refs("refs/heads/")).get(f"refs/heads/{pull.base}")
    if base_sha is None:
        raise problems.Problem(405, "Base branch does not exist")
    message = _message(call, pull, wish)
    person, author = call.person, _account(call, pull.author)
    committer = Signature(person.name, person.email, forge.now())
    writer = committer if wish.merge_method == "merge" else Signature(author.name, author.email, forge.now())
    plan = Merge(pull.base, base_sha, pull.head_sha, message, writer, committer)
    try:
        sha = await merge(git_of(call), plan, wish.merge_method)
    except MergeConflict as error:
        raise problems.Problem(405, "Pull Request is not mergeable") from error
    except BaseMoved as error:
        raise problems.conflict("Base branch was modified. Review and try the merge again.") from error
    now = forge.now()
    pull.state, pull.closed_at, pull.merged_at, pull.merged_by, pull.merge_sha = "closed", now, now, person.login, sha
    pull.base_sha = base_sha
    await forge.refs_changed(call.repository, person.login)
    await _saved(call, pull, "closed")
    return answer({"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


def found_pull(call: RepositoryCall) -> Pull:
    wanted = call.number("number")
    for pull in call.repository.pulls:
        if pull.number == wanted:
            return pull
    raise problems.not_found("/pulls/pulls#get-a-pull-request")


def place_of(call: RepositoryCall) -> pull_shapes.Place:
    owner = call.forge.state.accounts[call.repository.owner.lower()]
    return pull_shapes.Place(call.api, call.url, site(call), shown_repository(call, call.repository), owner)


async def shown(call: RepositoryCall, pull: Pull) -> dict[str, Any]:
    """Schema pull-request, with what git says about it now."""
    git = git_of(call)
    start = await git.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha
    lines = await git.line_counts(start, pull.head_sha)
    size = pull_shapes.Size(
        await git.count(pull.head_sha, pull.base_sha),
        sum(added for added, _ in lines.values()),
        sum(removed for _, removed in lines.values()),
        len(lines),
        await _mergeable(call, pull),
    )
    merger = call.forge.state.account(pull.merged_by) if pull.merged_by else None
    comments = sum(comment.issue == pull.number for comment in call.repository.comments)
    return pull_shapes.pull(place_of(call), pull, _account(call, pull.author), merger, size, comments)


async def _mergeable(call: RepositoryCall, pull: Pull) -> bool | None:
    base = (await git_of(call).refs("refs/heads/")).get(f"refs/heads/{pull.base}")
    if pull.state == "closed" or base is None:
        return None
    try:
        await git_of(call).merged_tree(base, pull.head_sha)
    except MergeConflict:
        return False
    return True


def _message(call: RepositoryCall, pull: Pull, wish: MergeWish) -> str:
    if wish.merge_method == "squash":
        title, text = f"{pull.title} (#{pull.number})", pull.body or ""
    else:
        title, text = f"Merge pull request #{pull.number} from {call.repository.owner}/{pull.head}", pull.title
    parts = [wish.commit_title or title, wish.commit_message or text]
    return "\n\n".join(part for part in parts if part) + "\n"


def _account(call: RepositoryCall, login: str) -> Any:
    return call.forge.state.accounts[login.lower()]


async def _saved(call: RepositoryCall, pull: Pull, action: str) -> None:
    pull.updated_at = call.forge.now()
    await call.forge.save()
    if call.forge.listener:
        await call.forge.listener.pull_changed(call.repository, call.person.login, pull, action)


def _refused(message: str) -> problems.Problem:
    detail = {"resource": "PullRequest", "code": "custom", "message": message}
    return problems.Problem(422, "Validation Failed", errors=[detail])


ROUTES = [
    repository_route("GET", "/pulls", READ, list_pulls),
    repository_route("POST", "/pulls", WRITE, create_pull),
    repository_route("GET", "/pulls/{number}", READ, get_pull),
    repository_route("PATCH", "/pulls/{number}", WRITE, change_pull),
    repository_route("GET", "/pulls/{number}/commits", READ, list_commits),
    repository_route("GET", "/pulls/{number}/files", READ, list_files),
    repository_route("GET", "/pulls/{number}/merge", need(("contents", "read"), role=Role.PULL), is_merged),
    repository_route("PUT", "/pulls/{number}/merge", MERGE, merge_pull),
]
