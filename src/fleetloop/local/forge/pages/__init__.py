"""Read-only web pages: repositories, commits and pull requests, where the addresses in API answers lead.

A browser logs in with a token as the password. Nothing can be changed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from aiohttp import web

from .. import names
from ..access import Caller, Verdict, is_visible, judge, need
from ..api.call import FORGE, secret_of
from ..api.statuses import combined
from ..bare_git import BareRepository, Commit
from ..forge import Forge
from ..model import CommitStatus, Pull, Repository, Role

READ = need(("contents", "read"), role=Role.PULL)
COMMITS_SHOWN = 30
PATCH_SHOWN = 200_000  # characters
LOGIN = {"WWW-Authenticate": 'Basic realm="fleetloop forge: any name, a token as password"'}
SAFETY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("fleetloop.local.forge", "pages"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True, slots=True)
class Line:
    """A commit and what its statuses come to (empty: none)."""

    commit: Commit
    state: str


async def front(request: web.Request) -> web.Response:
    forge, caller = request.app[FORGE], _caller(request)
    if caller is None:
        raise _login()
    found = [one for one in forge.state.repositories.values() if is_visible(forge.state, caller, one)]
    return _page("front.html", repositories=sorted(found, key=lambda one: one.full_name.lower()), me=caller.account)


async def repository(request: web.Request) -> web.Response:
    found = _readable(request)
    forge = request.app[FORGE]
    git, ref = forge.git(found), request.query.get("ref") or found.default_branch
    sha = await _resolved(git, ref)
    commits = await git.commits(sha, COMMITS_SHOWN) if sha else []
    branches = [name.removeprefix("refs/heads/") for name in await git.refs("refs/heads/")]
    return _page(
        "repository.html",
        repository=found,
        forge=forge,
        ref=ref,
        branches=branches,
        lines=_lines(found, commits),
        files=await git.files(sha) if sha else [],
    )


async def commit(request: web.Request) -> web.Response:
    found = _readable(request)
    git = request.app[FORGE].git(found)
    sha = await _resolved(git, request.match_info["sha"])
    if sha is None:
        raise _missing()
    one = await git.commit(sha)
    statuses = [status for status in reversed(found.statuses) if status.sha == sha]
    patch = await git.patch(await git.before(sha), sha)
    return _page("commit.html", repository=found, commit=one, statuses=statuses, patch=patch[:PATCH_SHOWN])


async def pull(request: web.Request) -> web.Response:
    found = _readable(request)
    number = request.match_info["number"]
    one = next((pull for pull in found.pulls if str(pull.number) == number), None)
    if one is None:
        raise _missing()
    git = request.app[FORGE].git(found)
    comments = [comment for comment in found.comments if comment.issue == one.number]
    patch = await _pull_patch(git, one)
    return _page("pull.html", repository=found, pull=one, comments=comments, patch=patch[:PATCH_SHOWN])


async def _pull_patch(git: BareRepository, found: Pull) -> str:
    start = await git.merge_base(found.base_sha, found.head_sha) or found.base_sha
    return await git.patch(start, found.head_sha)


def _lines(found: Repository, commits: Sequence[Commit]) -> list[Line]:
    return [Line(one, _state(found.statuses, one.sha)) for one in commits]


def _state(statuses: Sequence[CommitStatus], sha: str) -> str:
    newest = {status.context: status.state for status in statuses if status.sha == sha}
    return combined(list(newest.values())) if newest else ""


def _caller(request: web.Request) -> Caller | None:
    forge: Forge = request.app[FORGE]
    return forge.caller_of_token(secret_of(request.headers.get("Authorization", "")))


def _readable(request: web.Request) -> Repository:
    """The repository that the path names; raises the answer for who may not read it."""
    forge, caller = request.app[FORGE], _caller(request)
    found = forge.state.repository(request.match_info["owner"], request.match_info["repo"])
    if found and judge(forge.state, caller, found, READ) is Verdict.GRANTED:
        return found
    raise _missing() if caller else _login()


async def _resolved(git: BareRepository, text: str) -> str | None:
    try:
        return await git.resolve(names.revision(text))
    except names.BadName as error:
        raise _missing() from error


def _page(template: str, **values: Any) -> web.Response:
    text = TEMPLATES.get_template(template).render(values)
    return web.Response(text=text, content_type="text/html", headers=SAFETY)


def _login() -> web.HTTPException:
    return web.HTTPUnauthorized(text="Log in with a token as the password.\n", headers=LOGIN | SAFETY)


def _missing() -> web.HTTPException:
    return web.HTTPNotFound(text="Not found.\n", headers=SAFETY)


ROUTES = [
    web.get("/", front),
    web.get("/{owner}/{repo}", repository),
    web.get("/{owner}/{repo}/commit/{sha}", commit),
    web.get("/{owner}/{repo}/pull/{number}", pull),
]
