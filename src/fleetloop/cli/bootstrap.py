"""`bootstrap`: a repository and a cluster, brought together. The verbs and their flags.

What the flags come to is `bootstrap_plan.py`'s; the work is the bootstrap room's.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from fleetloop.bootstrap import validation
from fleetloop.bootstrap.paths import relative_path
from fleetloop.cli.command import Command, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.errors import UsageError
from fleetloop.cli.goflags import DURATION, FlagType
from fleetloop.cli.install_flags import InstallFlags
from fleetloop.cli.questions import secret_from

PATH = FlagType("safeRelativePath", relative_path, "")
ALGORITHM = FlagType("|".join(validation.KEY_ALGORITHMS), validation.key_algorithm, "", choices=validation.KEY_ALGORITHMS)
CURVE = FlagType("|".join(validation.CURVES), validation.ecdsa_curve, "", choices=validation.CURVES)
RSA_BITS = FlagType("rsaKeyBits", validation.rsa_bits, 0)


@dataclass(frozen=True)
class BootstrapOptions:
    """The flags of every bootstrap."""

    install: InstallFlags = options(InstallFlags)
    branch: str = flag("--branch", default="main", help="branch to commit to and to follow")
    secret_name: str = flag("--secret-name", default="flux-system", help="Secret with which the cluster reads the repository")
    token_auth: bool = flag("--token-auth", help="the cluster reads with the token over HTTPS, instead of an SSH deploy key")
    ca_file: str = flag("--ca-file", help="PEM file with the authority of the Git server and forge")
    recurse_submodules: bool = flag("--recurse-submodules", help="the cluster fetches submodules too")
    sparse_checkout: tuple[str, ...] = flag("--sparse-checkout", help="directories that the cluster fetches")
    author_name: str = flag("--author-name", default="Flux", help="name of the commits' author")
    author_email: str = flag("--author-email", help="e-mail of the commits' author")
    commit_message_appendix: str = flag("--commit-message-appendix", help="text below the commits' first line, such as [ci skip]")
    gpg_key_ring: str = flag("--gpg-key-ring", help="OpenPGP key ring file to sign commits with")
    gpg_key_id: str = flag("--gpg-key-id", help="key of the ring to use")
    gpg_passphrase: str = flag("--gpg-passphrase", help="passphrase of that key")
    ssh_signing_key_file: str = flag("--ssh-signing-key-file", help="SSH private key file to sign commits with")
    ssh_signing_password: str = flag("--ssh-signing-password", help="passphrase of that key")
    ssh_signing_passphrase: str = flag("--ssh-signing-passphrase", help="the same as --ssh-signing-password")
    ssh_signing_reuse_private_key: bool = flag("--ssh-signing-reuse-private-key", help="sign with --private-key-file")
    private_key_file: str = flag("--private-key-file", help="SSH private key file to reach the repository with")
    ssh_hostname: str = flag("--ssh-hostname", help="host or host:port of the SSH side, when it is not the HTTPS one")
    ssh_hostkey_algos: tuple[str, ...] = flag("--ssh-hostkey-algos", help="host key algorithms to accept when cloning")
    ssh_key_algorithm: str = flag("--ssh-key-algorithm", type=ALGORITHM, default="ecdsa", help="algorithm of the deploy key")
    ssh_ecdsa_curve: str = flag("--ssh-ecdsa-curve", type=CURVE, default="p384", help="curve of an ecdsa deploy key")
    ssh_rsa_bits: int = flag("--ssh-rsa-bits", type=RSA_BITS, default=2048, help="bits of an rsa deploy key")
    dry_run: bool = flag("--dry-run", help="tell every step, call and file, and change nothing")

    def check(self, generates_key: str = "") -> None:
        """`generates_key`: see SigningFlags.check. Raises InvalidPlan."""
        self.signing().check(generates_key)
        self.install.check()
        validation.check_required(validation.components_of(self.install.components, self.install.components_extra))

    def signing(self) -> validation.SigningFlags:
        return validation.SigningFlags(
            gpg_key_ring=self.gpg_key_ring,
            gpg_passphrase=self.gpg_passphrase,
            gpg_key_id=self.gpg_key_id,
            ssh_key_file=self.ssh_signing_key_file,
            ssh_password=self.ssh_signing_password,
            ssh_passphrase=self.ssh_signing_passphrase,
            ssh_reuse_private_key=self.ssh_signing_reuse_private_key,
            private_key_file=self.private_key_file,
        )


@dataclass(frozen=True)
class SyncFlags:
    """Where in the repository, and how often."""

    path: str = flag("--path", type=PATH, help="directory of this cluster in the repository")
    interval: float = flag("--interval", type=DURATION, default=60.0, help="how often the cluster looks for new commits")


@dataclass(frozen=True)
class RepositoryFlags:
    """A repository on a forge."""

    owner: str = flag("--owner", help="user or organization that owns the repository")
    repository: str = flag("--repository", help="name of the repository; it is created when it does not exist")
    personal: bool = flag("--personal", help="the owner is a user, not an organization")
    read_write_key: bool = flag("--read-write-key", help="the deploy key may push too")
    reconcile: bool = flag("--reconcile", help="change what existing teams may do")


class FromForge(Protocol):
    """A bootstrap from any forge."""

    @property
    def common(self) -> BootstrapOptions: ...
    @property
    def place(self) -> RepositoryFlags: ...
    @property
    def sync(self) -> SyncFlags: ...


@dataclass(frozen=True)
class GitHub(Command):
    """Bootstrap a cluster from a GitHub repository.

    The repository is created when it does not exist. The token is read from GITHUB_TOKEN, or asked for. Running the command
    again is safe: it upgrades, or finishes what was interrupted.

    Examples:
      fleetloop bootstrap github --owner=acme --repository=fleet --path=clusters/production
      fleetloop bootstrap github --owner=me --personal --repository=fleet --path=clusters/home --token-auth
    """

    common: BootstrapOptions = options(BootstrapOptions)
    place: RepositoryFlags = options(RepositoryFlags)
    sync: SyncFlags = options(SyncFlags)
    hostname: str = flag("--hostname", default="github.com", help="host of GitHub or GitHub Enterprise")
    private: bool = flag("--private", default=True, help="a new repository is private")
    team: tuple[str, ...] = flag("--team", help="team to give access to the repository, as team or team:permission")

    def check(self) -> None:
        self.common.check(generates_key="github")

    def run(self, cx: Context) -> None:
        from fleetloop.cli.bootstrap_plan import github_plan
        from fleetloop.cli.bootstrap_run import ForgeAccess, run_bootstrap
        from fleetloop.forge import GitHub as Client
        from fleetloop.forge import api_url_of

        token = secret_from(cx, "GITHUB_TOKEN", "Please enter your GitHub personal access token (PAT): ")
        plan = github_plan(self, cx.namespace, token, cx.options.timeout)
        access = ForgeAccess(
            api_url_of(self.hostname), f"Bearer {token}", lambda http: Client(http, self.hostname), plan.credentials.ca
        )
        asyncio.run(run_bootstrap(plan, cx, access, self.common))


@dataclass(frozen=True)
class Git(Command):
    """Bootstrap a cluster from any Git repository.

    The password is read from --password or GIT_PASSWORD, or asked for.

    Examples:
      fleetloop bootstrap git --url=ssh://git@git.example.com/fleet --path=clusters/production --private-key-file=key
      fleetloop bootstrap git --url=https://git.example.com/fleet.git --path=clusters/production --token-auth --username=bot
    """

    common: BootstrapOptions = options(BootstrapOptions)
    sync: SyncFlags = options(SyncFlags)
    url: str = flag("--url", help="the repository: ssh://, https:// or http://")
    username: str = flag("--username", "-u", default="git", help="user of the Git server")
    password: str = flag("--password", "-p", help="password of that user, or passphrase of the private key")
    with_bearer_token: bool = flag("--with-bearer-token", help="the password is a bearer token; implies --token-auth")
    allow_insecure_http: bool = flag("--allow-insecure-http", help="allow http:// addresses")
    silent: bool = flag("--silent", "-s", help="do not ask whether a new key was given access")

    def check(self) -> None:
        self.common.check()
        if not self.url:
            raise UsageError("--url is required")

    @property
    def uses_token(self) -> bool:
        return self.common.token_auth or self.with_bearer_token

    def run(self, cx: Context) -> None:
        from fleetloop.cli.bootstrap_plan import git_plan
        from fleetloop.cli.bootstrap_run import run_bootstrap

        password = self.password or cx.environment.get("GIT_PASSWORD", "")
        if self.uses_token and not password:
            password = secret_from(cx, "GIT_PASSWORD", "Please enter your Git repository password: ")
        plan = git_plan(self, cx.namespace, password, cx.options.timeout, cx.environment)
        asyncio.run(run_bootstrap(plan, cx, None, self.common, silent=self.silent))
