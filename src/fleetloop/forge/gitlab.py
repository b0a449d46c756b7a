"""GitLab, by its REST API version 4. Matches `Forge` and `DeployTokens` by shape.

An owner is a user, or a group by its full path (`a/b/c`). What the token may do is read from its user's membership and
its scopes; where GitLab does not tell (an administrator, a token of a new kind), nothing is reported missing.
"""

from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import quote

from fleetloop.forge import calls
from fleetloop.forge.errors import AlreadyOnForge, HiddenRepository, NotOnForge
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
    DeployToken,
    Repository,
    RepositoryWish,
    Right,
)
from fleetloop.forge.hosts import Site
from fleetloop.forge.http import Http

PAGE = 100
LEVELS = {"pull": 10, "triage": 20, "push": 30, "maintain": 40, "admin": 50}
CREATORS = {"noone": 99, "administrator": 99, "owner": 50, "maintainer": 40, "developer": 30}
STATES = {"error": "failed", "failure": "failed", "pending": "pending", "success": "success"}
NEEDED_LEVEL = {
    METADATA_READ: 10,
    CONTENTS_READ: 20,
    STATUSES_READ: 20,
    CONTENTS_WRITE: 30,
    STATUSES_WRITE: 30,
    ADMINISTRATION_READ: 40,
    ADMINISTRATION_WRITE: 40,
}
CLASSIC_SCOPES = {"api", "read_api", "read_user", "read_repository", "write_repository"}  # others may allow anything
NEEDED_SCOPE = {
    METADATA_READ: {"api", "read_api"},
    CONTENTS_READ: {"api", "read_repository", "write_repository"},
    STATUSES_READ: {"api", "read_api"},
    CONTENTS_WRITE: {"api", "write_repository"},
    STATUSES_WRITE: {"api"},
    ADMINISTRATION_READ: {"api", "read_api"},
    ADMINISTRATION_WRITE: {"api"},
}


class GitLab:
    """`http` speaks to `api_url_of(site)`."""

    def __init__(self, http: Http, site: Site) -> None:
        self._http, self._site = http, site

    @property
    def domain(self) -> str:
        return "gitlab.com" if self._site == Site("gitlab.com") else self._site.url

    async def current_user(self) -> str:
        return str((await calls.get(self._http, "/user"))["username"])

    async def find_repository(self, owner: str, name: str) -> Repository | None:
        calls.require_named(owner, name)
        repository = Repository(self._site.address, owner, name)
        try:
            await calls.get(self._http, _path(repository))
        except NotOnForge:
            return None
        return repository

    async def ensure_repository(self, wish: RepositoryWish) -> Change[Repository]:
        """An existing project is left as it is (bootstrap ⚠ 9)."""
        if found := await self.find_repository(wish.owner, wish.name):
            return Change(found, "unchanged")
        body: dict[str, Any] = {"name": wish.name, "default_branch": "main", "description": "", "visibility": visibility_of(wish)}
        if wish.personal:
            await calls.require_own(self.current_user, wish.owner)
        else:
            body["namespace_id"] = (await calls.get(self._http, _group(wish.owner)))["id"]
        try:
            await calls.write(self._http, "POST", "/projects", body)
        except AlreadyOnForge as error:  # ⚠ 12
            raise HiddenRepository(f"{wish.owner}/{wish.name}", METADATA_READ) from error
        return Change(Repository(self._site.address, wish.owner, wish.name), "created")

    async def find_deploy_key(self, repository: Repository, title: str) -> DeployKey | None:
        found = await self._present_key(repository, title)
        return found.key if found else None

    async def ensure_deploy_key(self, repository: Repository, key: DeployKey) -> Change[None]:
        keys = _path(repository, "/deploy_keys")

        async def add(key: DeployKey) -> None:
            body = {"title": key.title, "key": key.text, "can_push": not key.read_only}
            await calls.write(self._http, "POST", keys, body)

        async def remove(number: int) -> None:
            await calls.write(self._http, "DELETE", f"{keys}/{number}")

        return await calls.ensure_key(await self._present_key(repository, key.title), key, add, remove)

    async def find_deploy_tokens(self, repository: Repository, title: str) -> list[DeployToken]:
        listed = calls.numbered_pages(self._http, _path(repository, "/deploy_tokens"), "per_page", PAGE)
        return [
            DeployToken(one["id"], one["username"])
            async for one in listed
            if one["name"] == title and not one.get("revoked") and not one.get("expired")
        ]

    async def create_deploy_token(self, repository: Repository, title: str) -> DeployToken:
        body = {"name": title, "scopes": ["read_repository"]}
        made = await calls.write(self._http, "POST", _path(repository, "/deploy_tokens"), body)
        return DeployToken(made["id"], made["username"], made["token"]) if made else DeployToken(0, "")  # a rehearsal

    async def remove_deploy_token(self, repository: Repository, token: DeployToken) -> None:
        await calls.write(self._http, "DELETE", _path(repository, f"/deploy_tokens/{token.id}"))

    async def find_team_permission(self, repository: Repository, team: str) -> str | None:
        """`team`: full path of a group. Raises NotOnForge when there is no such group."""
        level = await self._shared_level(repository, await self._group_id(team))
        return None if level is None else permission_of(level)

    async def grant_team(self, repository: Repository, team: str, permission: str) -> None:
        """A share cannot be changed, so another one there goes first."""
        group, share = await self._group_id(team), _path(repository, "/share")
        if await self._shared_level(repository, group) is not None:
            await calls.write(self._http, "DELETE", f"{share}/{group}")
        await calls.write(self._http, "POST", share, {"group_id": group, "group_access": LEVELS[permission]})

    async def set_commit_status(self, repository: Repository, sha: str, status: CommitStatus) -> None:
        body = {"state": STATES[status.state], "name": status.context, "description": status.description}
        if status.target_url:
            body["target_url"] = status.target_url
        await calls.write(self._http, "POST", _path(repository, f"/statuses/{quote(sha)}"), body)

    async def missing_rights(self, repository: Repository, wanted: Collection[Right]) -> list[Right]:
        level, scopes = await self._level(_path(repository)), await self._scopes()
        return [right for right in wanted if level < NEEDED_LEVEL[right] or not scopes & NEEDED_SCOPE[right]]

    async def may_create(self, wish: RepositoryWish) -> bool:
        """Raises NotTheOwner, and NotOnForge when there is no such group."""
        if "api" not in await self._scopes():
            return False
        if wish.personal:
            await calls.require_own(self.current_user, wish.owner)
            return True
        group = await calls.get(self._http, _group(wish.owner))
        needed = CREATORS.get(group.get("project_creation_level") or "", CREATORS["developer"])
        return await self._level(_group(wish.owner)) >= needed

    async def may_grant(self, repository: Repository, team: str) -> bool:
        return not await self.missing_rights(repository, [ADMINISTRATION_WRITE])

    async def _level(self, path: str) -> int:
        """The user's access level to a project or group, however it came by it. The highest, when GitLab does not tell."""
        user = await self._http.read("/user")
        if user.status == 403 or (user.status == 200 and user.body.get("is_admin")):
            return 100
        user.raise_for_status()
        member = await self._http.read(f"{path}/members/all/{user.body['id']}")
        if member.status in (403, 404):
            return 100
        member.raise_for_status()
        return int(member.body["access_level"])

    async def _scopes(self) -> set[str]:
        """Of the token; all of them, when it is of a kind that does not tell."""
        answer = await self._http.read("/personal_access_tokens/self")
        found: Iterable[str] = answer.body.get("scopes") or [] if answer.status == 200 else []
        return set(found) if found and CLASSIC_SCOPES.issuperset(found) else CLASSIC_SCOPES

    async def _group_id(self, path: str) -> int:
        return int((await calls.get(self._http, _group(path)))["id"])

    async def _shared_level(self, repository: Repository, group: int) -> int | None:
        project: dict[str, Any] = await calls.get(self._http, _path(repository)) or {}  # empty in a rehearsal
        shared = project.get("shared_with_groups") or []
        return next((one["group_access_level"] for one in shared if one["group_id"] == group), None)

    async def _present_key(self, repository: Repository, title: str) -> calls.PresentKey | None:
        async for found in calls.numbered_pages(self._http, _path(repository, "/deploy_keys"), "per_page", PAGE):
            if found["title"] == title:
                return calls.PresentKey(found["id"], DeployKey(title, found["key"], not found.get("can_push")))
        return None


def api_url_of(site: Site) -> str:
    return f"{site.url}/api/v4/"


def permission_of(level: int) -> str:
    """The one of our words that says no more than the level allows."""
    return next((name for name, needed in reversed(LEVELS.items()) if needed <= level), "pull")


def visibility_of(wish: RepositoryWish) -> str:
    return "private" if wish.private else "internal" if wish.internal else "public"


def _path(repository: Repository, rest: str = "") -> str:
    return f"/projects/{quote(f'{repository.owner}/{repository.name}', safe='')}{rest}"


def _group(path: str) -> str:
    return f"/groups/{quote(path, safe='')}"
