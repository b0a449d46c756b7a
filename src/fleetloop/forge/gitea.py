"""Gitea and Forgejo, by their REST API. Matches `Forge` by shape.

A repository's answer tells what the token's user may do with it; only for what the token itself was limited to, a key
that cannot be valid is offered.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from fleetloop.forge import calls
from fleetloop.forge.errors import AlreadyOnForge, ForgeDenied, HiddenRepository, NotOnForge, SubOrganisations
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
from fleetloop.forge.hosts import Site
from fleetloop.forge.http import Http

PAGE = 50
PERMISSION_OF = {"read": "pull", "write": "push", "admin": "admin", "owner": "admin"}
NEEDED = {
    METADATA_READ: "pull",
    CONTENTS_READ: "pull",
    STATUSES_READ: "pull",
    CONTENTS_WRITE: "push",
    STATUSES_WRITE: "push",
    ADMINISTRATION_READ: "admin",
    ADMINISTRATION_WRITE: "admin",
}


class Gitea:
    """`http` speaks to `api_url_of(site)`."""

    def __init__(self, http: Http, site: Site) -> None:
        self._http, self._site = http, site

    @property
    def domain(self) -> str:
        return self._site.address

    async def current_user(self) -> str:
        return str((await calls.get(self._http, "/user"))["login"])

    async def find_repository(self, owner: str, name: str) -> Repository | None:
        calls.require_named(owner, name)
        if "/" in name:
            raise SubOrganisations("gitea")
        try:
            await calls.get(self._http, f"/repos/{quote(owner)}/{quote(name)}")
        except NotOnForge:
            return None
        return self._repository(owner, name)

    async def ensure_repository(self, wish: RepositoryWish) -> Change[Repository]:
        """An existing repository is left as it is (bootstrap ⚠ 9)."""
        if found := await self.find_repository(wish.owner, wish.name):
            return Change(found, "unchanged")
        if wish.personal:
            await calls.require_own(self.current_user, wish.owner)
        path = "/user/repos" if wish.personal else f"/orgs/{quote(wish.owner)}/repos"
        body = {"name": wish.name, "private": wish.private, "default_branch": "main", "auto_init": False}
        try:
            await calls.write(self._http, "POST", path, body)
        except AlreadyOnForge as error:  # ⚠ 12
            raise HiddenRepository(f"{wish.owner}/{wish.name}", METADATA_READ) from error
        return Change(self._repository(wish.owner, wish.name), "created")

    async def find_deploy_key(self, repository: Repository, title: str) -> DeployKey | None:
        found = await self._present_key(repository, title)
        return found.key if found else None

    async def ensure_deploy_key(self, repository: Repository, key: DeployKey) -> Change[None]:
        """Errors of the listing are raised, not taken for an empty one (⚠ 19)."""
        keys = _path(repository, "/keys")

        async def add(key: DeployKey) -> None:
            body = {"title": key.title, "key": key.text, "read_only": key.read_only}
            await calls.write(self._http, "POST", keys, body)

        async def remove(number: int) -> None:
            await calls.write(self._http, "DELETE", f"{keys}/{number}")

        return await calls.ensure_key(await self._present_key(repository, key.title), key, add, remove)

    async def find_team_permission(self, repository: Repository, team: str) -> str | None:
        """What the team may do, which is a setting of the team, not of the repository. None: the repository is not its."""
        try:
            granted = await calls.get(self._http, _path(repository, f"/teams/{quote(team)}"))
        except NotOnForge:
            return None
        return PERMISSION_OF.get(granted["permission"], "pull") if granted else None  # empty in a rehearsal

    async def grant_team(self, repository: Repository, team: str, permission: str) -> None:
        """Adds the repository to the team's. Gitea has no level here. Raises NotOnForge without such a team."""
        await calls.write(self._http, "PUT", _path(repository, f"/teams/{quote(team)}"))

    async def set_commit_status(self, repository: Repository, sha: str, status: CommitStatus) -> None:
        body = {"state": status.state, "context": status.context, "description": status.description}
        if status.target_url:
            body["target_url"] = status.target_url
        await calls.write(self._http, "POST", _path(repository, f"/statuses/{quote(sha)}"), body)

    async def missing_rights(self, repository: Repository, wanted: Collection[Right]) -> list[Right]:
        answer = await self._http.read(_path(repository))
        if answer.status in (403, 404):
            return list(wanted)
        answer.raise_for_status()
        has: dict[str, Any] = answer.body.get("permissions") or {}
        missing = [right for right in wanted if not has.get(NEEDED[right], True)]
        if ADMINISTRATION_WRITE in wanted and ADMINISTRATION_WRITE not in missing:
            refused = await self._http.probe("POST", _path(repository, "/keys"), {})
            missing += [ADMINISTRATION_WRITE] if refused.status == 403 else []
        return missing

    async def may_create(self, wish: RepositoryWish) -> bool:
        """Raises NotTheOwner too. A token that may not read its user cannot tell: True."""
        if wish.personal:
            await calls.require_own(self.current_user, wish.owner)
            return True
        try:
            user = await self.current_user()
        except ForgeDenied as error:
            if error.status == 401:
                raise
            return True
        path = f"/users/{quote(user)}/orgs/{quote(wish.owner)}/permissions"
        answer = await self._http.read(path)
        return answer.status != 200 or bool(answer.body["can_create_repository"])

    async def may_grant(self, repository: Repository, team: str) -> bool:
        return not await self.missing_rights(repository, [ADMINISTRATION_READ])

    async def _present_key(self, repository: Repository, title: str) -> calls.PresentKey | None:
        async for found in calls.numbered_pages(self._http, _path(repository, "/keys"), "limit", PAGE):
            if found["title"] == title:
                return calls.PresentKey(found["id"], DeployKey(title, found["key"], bool(found["read_only"])))
        return None

    def _repository(self, owner: str, name: str) -> Repository:
        return Repository(self._site.address, owner, name)


def api_url_of(site: Site) -> str:
    return f"{site.url}/api/v1/"


def _path(repository: Repository, rest: str = "") -> str:
    return f"/repos/{quote(repository.owner)}/{quote(repository.name)}{rest}"
