"""What the forge knows: accounts, teams, tokens, repositories and what hangs on them.

Plain data, saved as one JSON document by `store`. Git objects and refs are not here: they live in the bare repositories.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

AccountType = Literal["User", "Organization"]


class Role(IntEnum):
    """What a person may do with a repository; each level includes those below."""

    NONE = 0
    PULL = 1
    TRIAGE = 2
    PUSH = 3
    MAINTAIN = 4
    ADMIN = 5

    @property
    def word(self) -> str:
        return self.name.lower()


ROLES = {role.word: role for role in Role if role is not Role.NONE}


@dataclass(slots=True)
class PublicKey:
    """An SSH key of a user, or of a repository (then a deploy key). `key` is `type base64`, without a comment."""

    id: int
    title: str
    key: str
    read_only: bool
    created_at: str
    added_by: str = ""


@dataclass(slots=True)
class Account:
    """A user or an organisation. `members` (organisations only): login -> admin or member."""

    id: int
    login: str
    type: AccountType
    name: str
    email: str
    created_at: str
    members: dict[str, str] = field(default_factory=dict)
    base_role: str = "pull"  # what members may do with every repository of the organisation; "none" hides private ones
    keys: list[PublicKey] = field(default_factory=list)


@dataclass(slots=True)
class Team:
    id: int
    organization: str
    slug: str
    name: str
    description: str
    permission: str
    created_at: str
    members: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Token:
    """A personal access token, known by its SHA-256 only.

    Fine-grained when `owner` is set: `permissions` (contents: write, ...) for repositories of that owner, all of them
    when `repositories` is None. Otherwise classic, with `scopes`.
    """

    id: int
    user: str
    note: str
    created_at: str
    expires_at: str | None = None
    owner: str = ""
    repositories: list[str] | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    scopes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Hook:
    id: int
    url: str
    content_type: str
    secret: str
    insecure_ssl: str
    events: list[str]
    active: bool
    created_at: str
    updated_at: str
    last_status: str = "unused"
    last_code: int | None = None
    last_message: str | None = None


@dataclass(slots=True)
class CommitStatus:
    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: str
    created_at: str


@dataclass(slots=True)
class Comment:
    id: int
    issue: int
    author: str
    body: str
    created_at: str
    updated_at: str


@dataclass(slots=True)
class Pull:
    """A pull request inside one repository. `merge_sha` is the commit that merged it."""

    id: int
    number: int
    author: str
    title: str
    body: str | None
    head: str
    base: str
    head_sha: str
    base_sha: str
    created_at: str
    updated_at: str
    draft: bool = False
    state: Literal["open", "closed"] = "open"
    closed_at: str | None = None
    merged_at: str | None = None
    merged_by: str = ""
    merge_sha: str | None = None


@dataclass(slots=True)
class Repository:
    id: int
    owner: str
    name: str
    private: bool
    description: str | None
    default_branch: str
    created_at: str
    updated_at: str
    pushed_at: str
    archived: bool = False
    keys: list[PublicKey] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    statuses: list[CommitStatus] = field(default_factory=list)
    pulls: list[Pull] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    collaborators: dict[str, str] = field(default_factory=dict)  # login -> role
    teams: dict[str, str] = field(default_factory=dict)  # slug -> role
    protected: list[str] = field(default_factory=list)  # branches that nobody may push to directly

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"


@dataclass(slots=True)
class State:
    """Everything. Keys of the dicts are lower case, since GitHub compares names so."""

    last_id: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)  # org/slug
    tokens: dict[str, Token] = field(default_factory=dict)  # SHA-256, hex
    repositories: dict[str, Repository] = field(default_factory=dict)  # owner/name

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def account(self, login: str) -> Account | None:
        return self.accounts.get(login.lower())

    def repository(self, owner: str, name: str) -> Repository | None:
        return self.repositories.get(f"{owner}/{name}".lower())

    def team(self, organization: str, slug: str) -> Team | None:
        return self.teams.get(f"{organization}/{slug}".lower())
