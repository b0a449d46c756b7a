"""What a Git forge is to us: repositories, deploy keys, team grants, commit statuses, and the rights a token has.

Only words and the Protocol; each forge is a file beside this one. Moving Git objects is the git room's work.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """What an `ensure_…` found or brought about."""

    value: T
    kind: Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class RepositoryWish:
    """The repository somebody wants. Read only when it has to be created; an existing one is never altered.

    `internal`: one that is not private is for signed-in users only, where the forge (GitLab) knows that.
    """

    owner: str
    name: str
    personal: bool
    private: bool = True
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a forge puts its repositories: paths below its web address and below its SSH server."""

    web: str = "{owner}/{name}"
    clone: str = "{owner}/{name}.git"
    ssh: str = "{owner}/{name}"


COMMON_LAYOUT = Layout()


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository on a forge. `domain` is host or host:port of the web and HTTPS side, and the path a forge lives below."""

    domain: str
    owner: str
    name: str
    layout: Layout = COMMON_LAYOUT

    @property
    def web_url(self) -> str:
        return f"https://{self.domain}/{self._at(self.layout.web)}"

    @property
    def clone_url(self) -> str:
        return f"https://{self.domain}/{self._at(self.layout.clone)}"

    def ssh_url(self, server: str) -> str:
        """`server`: host or host:port."""
        return f"ssh://git@{server}/{self._at(self.layout.ssh)}"

    def _at(self, path: str) -> str:
        return path.format(owner=self.owner, name=self.name)


@dataclass(frozen=True, slots=True)
class DeployKey:
    """A public key (one authorized_keys line) that may read, or also write, one repository."""

    title: str
    public_key: str
    read_only: bool = True

    @property
    def text(self) -> str:
        """Type and base64 alone: forges drop the comment and the line end (bootstrap ⚠ 15)."""
        return key_text(self.public_key)


@dataclass(frozen=True, slots=True)
class DeployToken:
    """User and password that may read one repository. `token` is told only when it is made."""

    id: int
    username: str
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """One check mark beside a commit; `context` tells one check from another."""

    state: Literal["error", "failure", "pending", "success"]
    context: str
    description: str
    target_url: str = ""


Level = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Right:
    """One permission of a token, in the forge's own words: `Contents: write`."""

    name: str
    level: Level

    def __str__(self) -> str:
        return f"{self.name}: {self.level}"


METADATA_READ = Right("Metadata", "read")
ADMINISTRATION_READ = Right("Administration", "read")
ADMINISTRATION_WRITE = Right("Administration", "write")
CONTENTS_READ = Right("Contents", "read")
CONTENTS_WRITE = Right("Contents", "write")
STATUSES_READ = Right("Commit statuses", "read")
STATUSES_WRITE = Right("Commit statuses", "write")


class Forge(Protocol):
    """A place that hosts repositories. Writing methods are repeatable and tell what they changed.

    Raises the errors of `forge.errors`: ForgeDenied, NotOnForge, AlreadyOnForge, ForgeRefused, ForgeUnreachable.
    """

    @property
    def domain(self) -> str:
        """What `connecting to` shows: host or host:port."""
        ...

    async def current_user(self) -> str: ...
    async def find_repository(self, owner: str, name: str) -> Repository | None: ...
    async def ensure_repository(self, wish: RepositoryWish) -> Change[Repository]: ...
    async def find_deploy_key(self, repository: Repository, title: str) -> DeployKey | None: ...
    async def ensure_deploy_key(self, repository: Repository, key: DeployKey) -> Change[None]: ...
    async def find_team_permission(self, repository: Repository, team: str) -> str | None: ...
    async def grant_team(self, repository: Repository, team: str, permission: str) -> None: ...
    async def set_commit_status(self, repository: Repository, sha: str, status: CommitStatus) -> None: ...

    async def missing_rights(self, repository: Repository, wanted: Collection[Right]) -> list[Right]:
        """Those of `wanted` the token lacks on an existing repository. Writes nothing."""
        ...

    async def may_create(self, wish: RepositoryWish) -> bool:
        """Whether the token may create repositories for that owner. Writes nothing."""
        ...

    async def may_grant(self, repository: Repository, team: str) -> bool:
        """Whether the token may change that team's access. Writes nothing."""
        ...


@runtime_checkable
class DeployTokens(Protocol):
    """A forge that makes tokens for one repository."""

    async def find_deploy_tokens(self, repository: Repository, title: str) -> list[DeployToken]:
        """Those of this title that still work."""
        ...

    async def create_deploy_token(self, repository: Repository, title: str) -> DeployToken: ...
    async def remove_deploy_token(self, repository: Repository, token: DeployToken) -> None: ...


def key_text(authorized_key: str) -> str:
    return " ".join(authorized_key.split()[:2])
