"""What somebody wants bootstrapped: one value, made from flags, complete and checked before anything is read or changed."""

from dataclasses import dataclass, field

from fleetloop.bootstrap.components import InstallOptions
from fleetloop.bootstrap.errors import InvalidPlan
from fleetloop.bootstrap.files import Sync
from fleetloop.bootstrap.pull_secret import PullSecret
from fleetloop.bootstrap.secret import SourceSecret
from fleetloop.forge import Repository, RepositoryWish
from fleetloop.forge.github import DEFAULT_PERMISSION, PERMISSIONS
from fleetloop.git import Credentials, GitUrl, Person, Signer


@dataclass(frozen=True, slots=True)
class TeamGrant:
    """A team and what it may do with the repository."""

    team: str
    permission: str

    @classmethod
    def parse(cls, flag: str, default: str = DEFAULT_PERMISSION) -> "TeamGrant":
        """`team` or `team:permission`: one grant (⚠ 14: the peer makes two of it, of which one always fails)."""
        team, _, permission = flag.partition(":")
        if (permission or default) not in PERMISSIONS:
            raise InvalidPlan(f'failed to reconcile repository team access: invalid permission "{permission}" for team "{team}"')
        return cls(team, permission or default)


@dataclass(frozen=True, slots=True)
class ForgeTarget:
    """The repository on a forge, and who may use it. `repository`: where it is, or will be.

    `rewrites_grants`: an existing team grant is changed (--reconcile).
    """

    repository: Repository
    wish: RepositoryWish
    grants: tuple[TeamGrant, ...] = ()
    rewrites_grants: bool = False
    read_write_key: bool = False


@dataclass(frozen=True, slots=True)
class CommitStyle:
    """Who commits, what stands below the first line, and with what it is signed."""

    author: Person
    appendix: str = ""
    signer: Signer | None = field(default=None, repr=False)

    def message(self, first_line: str) -> str:
        return f"{first_line}\n\n{self.appendix}" if self.appendix else first_line


@dataclass(frozen=True, slots=True)
class Plan:
    """One bootstrap. `target` is None for a repository on no known forge; `timeout` in seconds.

    `overrides`: an installation by another tool may be replaced without a question (--force).
    """

    components: InstallOptions
    sync: Sync
    remote: GitUrl
    credentials: Credentials
    secret: SourceSecret
    commits: CommitStyle
    target: ForgeTarget | None = None
    pull_secret: PullSecret | None = None
    overrides: bool = False
    timeout: float = 300.0

    @property
    def namespace(self) -> str:
        return self.sync.namespace

    @property
    def key_title(self) -> str:
        """`<namespace>-<branch>-<secret>-<path>`, the `./` of the path kept, empty parts dropped."""
        parts = (self.namespace, self.sync.branch, self.sync.secret_name, self.sync.path)
        return "-".join(filter(None, parts))
