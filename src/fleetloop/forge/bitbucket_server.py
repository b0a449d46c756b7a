"""Bitbucket Server (Data Center), by its REST API. Matches `Forge` by shape.

An owner here is a project's key, or `~` and a user's name; `project_key` finds it by the project's name (⚠ 20). A
repository's name is its slug. What the token may do is read from the listing of repositories by permission.
"""

import re
from collections.abc import AsyncIterator, Collection
from typing import Any
from urllib.parse import quote, urlencode

from fleetloop.forge import calls
from fleetloop.forge.errors import AlreadyOnForge, ForgeError, HiddenRepository, NotOnForge, SubOrganisations
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
    Layout,
    Repository,
    RepositoryWish,
    Right,
)
from fleetloop.forge.hosts import Site
from fleetloop.forge.http import Http

PAGE = 100
LAYOUT = Layout("projects/{owner}/repos/{name}", "scm/{owner}/{name}.git", "{owner}/{name}")
DEFAULT_PERMISSION = "push"
PERMISSIONS = {
    "pull": "REPO_READ",
    "triage": "REPO_READ",
    "push": "REPO_WRITE",
    "maintain": "REPO_WRITE",
    "admin": "REPO_ADMIN",
}
WORDS = {"REPO_READ": "pull", "REPO_WRITE": "push", "REPO_ADMIN": "admin"}
STATES = {"error": "FAILED", "failure": "FAILED", "pending": "INPROGRESS", "success": "SUCCESSFUL"}
NEEDED = {
    METADATA_READ: "REPO_READ",
    CONTENTS_READ: "REPO_READ",
    STATUSES_READ: "REPO_READ",
    STATUSES_WRITE: "REPO_READ",  # whoever may read a repository may report builds of its commits
    CONTENTS_WRITE: "REPO_WRITE",
    ADMINISTRATION_READ: "REPO_ADMIN",
    ADMINISTRATION_WRITE: "REPO_ADMIN",
}


class BitbucketServer:
    """`http` speaks to `api_url_of(site)`, below which there are several APIs."""

    def __init__(self, http: Http, site: Site) -> None:
        self._http, self._site = http, site

    @property
    def domain(self) -> str:
        return self._site.address

    async def current_user(self) -> str:
        answer = await self._http.read("/api/1.0/projects?limit=1")
        answer.raise_for_status()
        if user := answer.headers.get("X-AUSERNAME", ""):
            return user
        raise ForgeError("unable to get owner from API")

    async def project_key(self, name: str) -> str:
        """Of the project with exactly this name, else with this key. Raises NotOnForge."""
        if not name:
            raise ForgeError("owner is required")
        async for project in self._pages(f"/api/1.0/projects?{urlencode({'name': name})}"):
            if project["name"] == name:
                return str(project["key"])
        return str((await calls.get(self._http, f"/api/1.0/projects/{quote(name, safe='')}"))["key"])

    async def find_repository(self, owner: str, name: str) -> Repository | None:
        calls.require_named(owner, name)
        if "/" in name:
            raise SubOrganisations("bitbucket-server")
        repository = repository_at(self._site, owner, name)
        try:
            await calls.get(self._http, _path(repository))
        except NotOnForge:
            return None
        return repository

    async def ensure_repository(self, wish: RepositoryWish) -> Change[Repository]:
        """An existing repository is left as it is (bootstrap ⚠ 9). A new one stays empty: the first push makes its branch."""
        if found := await self.find_repository(wish.owner, wish.name):
            return Change(found, "unchanged")
        if wish.personal:
            await calls.require_own(self.current_user, wish.owner.removeprefix("~"))
        repository = repository_at(self._site, wish.owner, wish.name)
        body = {"name": wish.name, "scmId": "git", "defaultBranch": "main", "public": not wish.private}
        try:
            made = await calls.write(self._http, "POST", f"/api/1.0/projects/{quote(wish.owner)}/repos", body)
        except AlreadyOnForge as error:  # ⚠ 12
            raise HiddenRepository(f"{wish.owner}/{wish.name}", METADATA_READ) from error
        if made and not wish.private and not made.get("public"):  # old servers take it only afterwards (⚠ 21)
            await calls.write(self._http, "PUT", _path(repository), {"public": True})
        return Change(repository, "created")

    async def find_deploy_key(self, repository: Repository, title: str) -> DeployKey | None:
        found = await self._present_key(repository, title)
        return found.key if found else None

    async def ensure_deploy_key(self, repository: Repository, key: DeployKey) -> Change[None]:
        keys = _keys(repository)

        async def add(key: DeployKey) -> None:
            permission = "REPO_READ" if key.read_only else "REPO_WRITE"
            body = {"key": {"label": key.title, "text": key.text}, "permission": permission}
            await calls.write(self._http, "POST", keys, body)

        async def remove(number: int) -> None:
            await calls.write(self._http, "DELETE", f"{keys}/{number}")

        return await calls.ensure_key(await self._present_key(repository, key.title), key, add, remove)

    async def find_team_permission(self, repository: Repository, team: str) -> str | None:
        """`team`: a group of the server."""
        async for granted in self._pages(f"{_groups(repository)}?{urlencode({'filter': team})}"):
            if granted["group"]["name"] == team:
                return WORDS[granted["permission"]]
        return None

    async def grant_team(self, repository: Repository, team: str, permission: str) -> None:
        """Raises NotOnForge when there is no such group."""
        query = urlencode({"name": team, "permission": PERMISSIONS[permission]})
        await calls.write(self._http, "PUT", f"{_groups(repository)}?{query}")

    async def set_commit_status(self, repository: Repository, sha: str, status: CommitStatus) -> None:
        body = {
            "state": STATES[status.state],
            "key": status.context,
            "description": status.description,
            "url": status.target_url or repository.web_url,  # it must have one
        }
        await calls.write(self._http, "POST", f"/build-status/1.0/commits/{quote(sha)}", body)

    async def missing_rights(self, repository: Repository, wanted: Collection[Right]) -> list[Right]:
        """Nothing, when the server's listing does not show the repository even to its readers."""
        answer = await self._http.read(_path(repository))
        if answer.status in (401, 403, 404):
            return list(wanted)
        answer.raise_for_status()
        name = str(answer.body["name"])
        needed = sorted({NEEDED[right] for right in wanted} | {"REPO_READ"})
        has = {permission for permission in needed if await self._is_listed(repository, name, permission)}
        return [right for right in wanted if NEEDED[right] not in has] if "REPO_READ" in has else []

    async def may_create(self, wish: RepositoryWish) -> bool:
        """True where it cannot be told: the server shows no right to create. Raises NotTheOwner."""
        if wish.personal:
            await calls.require_own(self.current_user, wish.owner.removeprefix("~"))
        return True

    async def may_grant(self, repository: Repository, team: str) -> bool:
        return not await self.missing_rights(repository, [ADMINISTRATION_WRITE])

    async def _is_listed(self, repository: Repository, name: str, permission: str) -> bool:
        query = urlencode({"name": name, "permission": permission})
        async for found in self._pages(f"/api/1.0/repos?{query}"):
            if (found["project"]["key"].lower(), found["slug"]) == (repository.owner.lower(), repository.name):
                return True
        return False

    async def _present_key(self, repository: Repository, title: str) -> calls.PresentKey | None:
        async for found in self._pages(_keys(repository)):
            key = found["key"]
            if key.get("label") == title:
                return calls.PresentKey(key["id"], DeployKey(title, key["text"], found["permission"] == "REPO_READ"))
        return None

    async def _pages(self, path: str) -> AsyncIterator[dict[str, Any]]:
        separator, start = "&" if "?" in path else "?", 0
        while True:
            page = await calls.get(self._http, f"{path}{separator}limit={PAGE}&start={start}") or {}  # empty in a rehearsal
            for item in page.get("values", []):
                yield item
            if page.get("isLastPage", True):
                return
            start = page["nextPageStart"]


def api_url_of(site: Site) -> str:
    return f"{site.url}/rest/"


def repository_at(site: Site, key: str, name: str) -> Repository:
    return Repository(site.address, key, slug_of(name), LAYOUT)


def slug_of(name: str) -> str:
    """As the server makes it of a name, which may have letters, digits, spaces, `_`, `-` and `.`."""
    return re.sub(r"[^a-z0-9_.-]", "-", name.lower())


def _path(repository: Repository) -> str:
    return f"/api/1.0/projects/{quote(repository.owner)}/repos/{quote(repository.name)}"


def _groups(repository: Repository) -> str:
    return f"{_path(repository)}/permissions/groups"


def _keys(repository: Repository) -> str:
    return f"/keys/1.0/projects/{quote(repository.owner)}/repos/{quote(repository.name)}/ssh"
