"""GitHub and GitHub Enterprise Server, by their REST API. Matches `Forge` by shape.

The rights of a token are found without writing: a request that cannot be valid is refused with 422 when the token
is allowed to make it, and with 403 (or 404, where GitHub hides things) when it is not.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fleetloop.forge import calls
from fleetloop.forge.errors import (
    AlreadyOnForge,
    HiddenRepository,
    NotOnForge,
    SubOrganisations,
)
from fleetloop.forge.forge import (
    ADMINISTRATION_READ,
    ADMINISTRATION_WRITE,
    CONTENTS_READ,
    CONTENTS_WRITE,
    METADATA_READ,
    STATUSES_READ,
    STATUSES_WRITE,
    Change,
    CommitStatus,
    DeployKey,
    Repository,
    RepositoryWish,
    Right,
)
from fleetloop.forge.hosts import domain_of
from fleetloop.forge.http import Answer, Http
from fleetloop.task_group import TaskGroup

PERMISSIONS = ("pull", "triage", "push", "maintain", "admin")  # lowest first: what a team can be given
DEFAULT_PERMISSION = "maintain"
WITH_PERMISSIONS = "application/vnd.github.v3.repository+json"  # else a team's repository is an empty 204
PAGE = 100
NO_COMMIT = "0" * 40


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that shows a right. `hides`: GitHub answers 404 there to who may not know."""

    method: str
    path: str
    hides: bool = True


PROBES = {
    METADATA_READ: Probe("GET", ""),
    ADMINISTRATION_READ: Probe("GET", "/keys?per_page=1"),
    ADMINISTRATION_WRITE: Probe("POST", "/keys"),
    CONTENTS_READ: Probe("GET", "/branches?per_page=1"),
    CONTENTS_WRITE: Probe("PUT", "/contents/.preflight"),
    STATUSES_READ: Probe("GET", f"/commits/{NO_COMMIT}/statuses", hides=False),
    STATUSES_WRITE: Probe("POST", f"/statuses/{NO_COMMIT}", hides=False),
}


def api_url_of(domain: str) -> str:
    return "https://api.github.com/" if domain == "github.com" else f"https://{domain}/api/v3/"


class GitHub:
    """`domain` is github.com or an Enterprise host; `http` speaks to `api_url_of(domain)`."""

    def __init__(self, http: Http, domain: str) -> None:
        self._http, self._domain = http, domain_of(domain)

    @property
    def domain(self) -> str:
        return self._domain

    async def current_user(self) -> str:
        return str((await self._get("/user"))["login"])

    async def find_repository(self, owner: str, name: str) -> Repository | None:
        calls.require_named(owner, name)
        if "/" in name:
            raise SubOrganisations("github")
        try:
            await self._get(f"/repos/{quote(owner)}/{quote(name)}")
        except NotOnForge:
            return None
        return Repository(self.domain, owner, name)

    async def ensure_repository(self, wish: RepositoryWish) -> Change[Repository]:
        """An existing repository is left as it is, whatever the wish says (bootstrap ⚠ 9)."""
        if found := await self.find_repository(wish.owner, wish.name):
            return Change(found, "unchanged")
        if wish.personal:
            await calls.require_own(self.current_user, wish.owner)
        try:
            await self._write("POST", _creation_path(wish), creation_body(wish))
        except AlreadyOnForge as error:  # ⚠ 12
            raise HiddenRepository(f"{wish.owner}/{wish.name}", METADATA_READ) from error
        return Change(Repository(self.domain, wish.owner, wish.name), "created")

    async def find_deploy_key(self, repository: Repository, title: str) -> DeployKey | None:
        found = await self._present_key(repository, title)
        return found.key if found else None

    async def ensure_deploy_key(self, repository: Repository, key: DeployKey) -> Change[None]:
        keys = _path(repository, "/keys")

        async def add(key: DeployKey) -> None:
            await self._write("POST", keys, {"title": key.title, "key": key.text, "read_only": key.read_only})

        async def remove(number: int) -> None:
            await self._write("DELETE", f"{keys}/{number}", None)

        return await calls.ensure_key(await self._present_key(repository, key.title), key, add, remove)

    async def find_team_permission(self, repository: Repository, team: str) -> str | None:
        """The highest permission the team has, or None. Raises NotOnForge when there is no such team."""
        try:
            granted = await self._get(_team_path(repository, team), WITH_PERMISSIONS)
        except NotOnForge:
            await self._get(f"/orgs/{quote(repository.owner)}/teams/{quote(team)}")
            return None
        return highest_permission(granted)

    async def grant_team(self, repository: Repository, team: str, permission: str) -> None:
        await self._write("PUT", _team_path(repository, team), {"permission": permission})

    async def set_commit_status(self, repository: Repository, sha: str, status: CommitStatus) -> None:
        body = {"state": status.state, "context": status.context, "description": status.description}
        if status.target_url:
            body["target_url"] = status.target_url
        await self._write("POST", _path(repository, f"/statuses/{quote(sha)}"), body)

    async def missing_rights(self, repository: Repository, wanted: Collection[Right]) -> list[Right]:
        ordered = list(wanted)
        allowed = await _together([self._has(PROBES[right], repository) for right in ordered])
        return [right for right, has in zip(ordered, allowed, strict=True) if not has]

    async def may_create(self, wish: RepositoryWish) -> bool:
        """Raises NotTheOwner too."""
        if wish.personal:
            await calls.require_own(self.current_user, wish.owner)
        answer = await self._http.probe("POST", _creation_path(wish), {})
        return _is_allowed(answer, hides=True)

    async def may_grant(self, repository: Repository, team: str) -> bool:
        """A permission that does not exist is refused with 422 to who may set one."""
        answer = await self._http.probe("PUT", _team_path(repository, team), {"permission": "no-such-permission"})
        return _is_allowed(answer, hides=False)

    async def _has(self, probe: Probe, repository: Repository) -> bool:
        path = _path(repository, probe.path)
        call = self._http.read(path) if probe.method == "GET" else self._http.probe(probe.method, path, {})
        return _is_allowed(await call, probe.hides)

    async def _present_key(self, repository: Repository, title: str) -> calls.PresentKey | None:
        async for found in calls.numbered_pages(self._http, _path(repository, "/keys"), "per_page", PAGE):
            if found["title"] == title:
                return calls.PresentKey(found["id"], DeployKey(title, found["key"], bool(found["read_only"])))
        return None

    async def _get(self, path: str, accept: str = "application/vnd.github+json") -> Any:
        answer = await self._http.read(path, accept)
        answer.raise_for_status()
        return answer.body

    async def _write(self, method: str, path: str, body: dict[str, Any] | None) -> None:
        (await self._http.write(method, path, body)).raise_for_status()


def creation_body(wish: RepositoryWish) -> dict[str, Any]:
    """The default branch is not sent, so that an empty repository takes any (bootstrap ⚠ 13, 17)."""
    if wish.personal:  # `visibility` is not in the published schema of this endpoint
        return {"name": wish.name, "private": wish.private}
    body: dict[str, Any] = {"name": wish.name, "visibility": "private" if wish.private else "public"}
    return body | ({"private": True} if wish.private else {})


def highest_permission(granted: Any) -> str | None:
    """204 without a body (an old server, another accept type) tells of a grant, not of its level."""
    has = granted.get("permissions", {}) if isinstance(granted, dict) else {}
    return next((name for name in reversed(PERMISSIONS) if has.get(name)), None)


def _is_allowed(answer: Answer, hides: bool) -> bool:
    """Raises what is no verdict about this right: a bad token, an exhausted rate limit, a broken server."""
    limited = answer.status == 429 or answer.headers.get("X-RateLimit-Remaining") == "0"
    if answer.status == 401 or answer.status >= 500 or (answer.status == 403 and limited):
        answer.raise_for_status()
    return answer.status != 403 and not (hides and answer.status == 404)


def _creation_path(wish: RepositoryWish) -> str:
    return "/user/repos" if wish.personal else f"/orgs/{quote(wish.owner)}/repos"


def _path(repository: Repository, rest: str) -> str:
    return f"/repos/{quote(repository.owner)}/{quote(repository.name)}{rest}"


def _team_path(repository: Repository, team: str) -> str:
    owner = quote(repository.owner)
    return f"/orgs/{owner}/teams/{quote(team)}/repos/{owner}/{quote(repository.name)}"


async def _together(calls: list[Any]) -> list[bool]:
    try:
        async with TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
