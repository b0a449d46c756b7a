"""What a forge holds, whichever API it speaks: one account, one organisation and its repositories."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

LEVELS = ("none", "read", "write", "admin")  # what the token's user may do with a repository
TOKEN = "s3cret-token"


@dataclass
class HostedKey:
    id: int
    title: str
    text: str
    read_only: bool


@dataclass
class HostedToken:
    """A deploy token of GitLab."""

    id: int
    title: str
    username: str
    is_dead: bool = False


@dataclass
class Hosted:
    """One repository. `mine`: what the token's user may do with it."""

    owner: str
    name: str
    visibility: str = "private"
    mine: str = "admin"
    keys: list[HostedKey] = field(default_factory=list)
    tokens: list[HostedToken] = field(default_factory=list)
    grants: dict[Any, Any] = field(default_factory=dict)
    statuses: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    created_with: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Heard:
    """A request that was answered."""

    method: str
    path: str
    body: Any


@dataclass
class ForgeState:
    """`projects`: names by key, of Bitbucket Server; `scopes`: of a token, of GitLab.

    `teams` exist. `faults` answer instead of the forge: status by method and end of path, without its query.
    """

    user: str = "ada"
    owner: str = "acme"
    may_create: bool = True
    scopes: list[str] = field(default_factory=lambda: ["api"])
    projects: dict[str, str] = field(default_factory=lambda: {"ACME": "acme"})
    takes_public_at_once: bool = True
    repositories: dict[tuple[str, str], Hosted] = field(default_factory=dict)
    hidden: set[tuple[str, str]] = field(default_factory=set)
    teams: set[str] = field(default_factory=lambda: {"platform"})
    faults: dict[tuple[str, str], int] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(101))

    def next_id(self) -> int:
        return next(self._ids)

    def host(self, name: str, owner: str = "", **more: Any) -> Hosted:
        made = Hosted(owner or self.owner, name, **more)
        self.repositories[made.owner.lower(), made.name.lower()] = made
        return made

    def find(self, owner: str, name: str) -> Hosted | None:
        """As the API shows it: not what is hidden from the token."""
        place = owner.lower(), name.lower()
        found = self.repositories.get(place)
        return None if place in self.hidden or (found and found.mine == "none") else found

    def allows(self, hosted: Hosted, level: str) -> bool:
        return LEVELS.index(hosted.mine) >= LEVELS.index(level)

    def writes(self) -> list[tuple[str, str]]:
        """Requests that changed something, in order."""
        return [(one.method, one.path) for one in self.heard if one.method != "GET"]


def refusal(status: int, message: Any) -> web.Response:
    return web.json_response({"message": message}, status=status)
