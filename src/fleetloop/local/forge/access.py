"""Who may do what, as GitHub decides it: a token's permissions or scopes, and the person's role. Pure.

Not authentication (`Forge.caller_of_token`), and no HTTP: a Verdict says what happened, the API turns it into an answer.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from .model import ROLES, Account, Repository, Role, State, Token

Level = Literal["read", "write"]
LEVELS = {"none": 0, "read": 1, "write": 2, "admin": 3}
REPOSITORY_PERMISSIONS = frozenset({"administration", "contents", "issues", "metadata", "pull_requests", "statuses", "webhooks"})
ORGANIZATION_PERMISSIONS = frozenset({"members", "organization_administration"})
SCOPES = frozenset(
    {"repo", "public_repo", "repo:status", "delete_repo", "admin:org", "write:org", "read:org", "admin:repo_hook", "user"}
)
SCOPES_WITHIN = {
    "repo": {"public_repo", "repo:status", "admin:repo_hook"},
    "admin:org": {"write:org", "read:org"},
    "write:org": {"read:org"},
}


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated person and the token used; with an SSH key of the person the token is None (all their rights)."""

    account: Account
    token: Token | None


@dataclass(frozen=True, slots=True)
class Need:
    """What an endpoint asks for: each alternative is permissions that must all be there.

    `role` is what the person needs on the repository, whatever the token says. `scope` is the classic token's.
    """

    alternatives: tuple[tuple[tuple[str, Level], ...], ...]
    role: Role
    scope: str = "repo"

    @property
    def header(self) -> str:
        """The value of X-Accepted-GitHub-Permissions: `,` is and, `;` is or."""
        return "; ".join(",".join(f"{name}={level}" for name, level in every) for every in self.alternatives)


def need(*permissions: tuple[str, Level], role: Role, scope: str = "repo") -> Need:
    """A need for all of `permissions`."""
    return Need((permissions,), role, scope)


def need_any(*permissions: tuple[str, Level], role: Role, scope: str = "repo") -> Need:
    """A need for one of `permissions`."""
    return Need(tuple((permission,) for permission in permissions), role, scope)


class Verdict(Enum):
    GRANTED = auto()
    INVISIBLE = auto()  # 404: the caller must not learn that it exists
    ANONYMOUS = auto()  # 401: exists and is public, but this asks for a login
    TOKEN_LACKS = auto()  # 403: the token has not the permission or scope
    ROLE_LACKS = auto()  # the person has not the role


def role_on(state: State, login: str, repository: Repository) -> Role:
    """The strongest role that ownership, membership, teams and collaboration give; PULL on a public repository."""
    owner = state.accounts[repository.owner.lower()]
    if owner.login.lower() == login.lower() or owner.members.get(login) == "admin":
        return Role.ADMIN
    found = [Role.NONE if repository.private else Role.PULL]
    if login in owner.members:
        found.append(ROLES.get(owner.base_role, Role.NONE))
    found.append(ROLES.get(repository.collaborators.get(login, ""), Role.NONE))
    for slug, role in repository.teams.items():
        team = state.team(repository.owner, slug)
        if team and login in team.members:
            found.append(ROLES[role])
    return max(found)


def has_scope(token: Token, scope: str) -> bool:
    """Whether a classic token holds `scope`, itself or within a wider one."""
    return any(scope == held or scope in SCOPES_WITHIN.get(held, ()) for held in token.scopes)


def covers(token: Token, repository: Repository) -> bool:
    """Whether a fine-grained token was given this repository."""
    named = token.repositories is None or repository.name.lower() in {name.lower() for name in token.repositories}
    return token.owner.lower() == repository.owner.lower() and named


def holds(token: Token, asked: Need) -> bool:
    """Whether a fine-grained token has one of the alternatives. Any repository permission includes metadata:read."""
    held = dict(token.permissions)
    if REPOSITORY_PERMISSIONS & held.keys():
        held.setdefault("metadata", "read")
    return any(all(LEVELS[held.get(name, "none")] >= LEVELS[level] for name, level in every) for every in asked.alternatives)


def holds_for_organization(token: Token, organization: str, permission: str, level: Level) -> bool:
    """Whether a fine-grained token of that organisation has an organisation permission."""
    held = LEVELS[token.permissions.get(permission, "none")]
    return token.owner.lower() == organization.lower() and held >= LEVELS[level]


def is_visible(state: State, caller: Caller | None, repository: Repository) -> bool:
    """Whether the caller may know that the repository exists."""
    if not repository.private:
        return True
    if caller is None or role_on(state, caller.account.login, repository) < Role.PULL:
        return False
    token = caller.token
    if token is None:
        return True
    return covers(token, repository) if token.owner else has_scope(token, "repo")


def judge(state: State, caller: Caller | None, repository: Repository, asked: Need) -> Verdict:
    """Decide on `asked` for `repository`."""
    if not is_visible(state, caller, repository):
        return Verdict.INVISIBLE
    reads_public = not repository.private and asked.role is Role.PULL and _only_reads(asked)
    if reads_public:
        return Verdict.GRANTED
    if caller is None:
        return Verdict.ANONYMOUS
    if caller.token is not None and not _token_allows(caller.token, repository, asked):
        return Verdict.TOKEN_LACKS
    enough = role_on(state, caller.account.login, repository) >= asked.role
    return Verdict.GRANTED if enough else Verdict.ROLE_LACKS


def _token_allows(token: Token, repository: Repository, asked: Need) -> bool:
    if token.owner:
        return covers(token, repository) and holds(token, asked)
    scope = "public_repo" if asked.scope == "repo" and not repository.private else asked.scope
    return has_scope(token, scope)


def _only_reads(asked: Need) -> bool:
    return any(all(level == "read" for _, level in every) for every in asked.alternatives)
