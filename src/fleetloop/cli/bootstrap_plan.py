"""What the flags of `bootstrap` come to: a Plan. Reads the files that flags name, and nothing else."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from fleetloop.api.durations import duration_text
from fleetloop.bootstrap.errors import BootstrapError, InvalidPlan
from fleetloop.bootstrap.files import Sync
from fleetloop.bootstrap.plan import CommitStyle, ForgeTarget, Plan, TeamGrant
from fleetloop.bootstrap.secret import BasicAuth, BearerToken, FromDeployToken, GeneratedKey, GivenKey, SourceSecret, SshHost
from fleetloop.forge import Repository, RepositoryWish
from fleetloop.forge.hosts import Site, domain_of
from fleetloop.git import Credentials, GitUrl, InvalidKey, InvalidUrl, OpenPgpSigner, Person, Signer, SshSigner

if TYPE_CHECKING:
    from fleetloop.cli.bootstrap import BootstrapOptions, FromForge, Git, GitHub, SyncFlags

T = TypeVar("T")
CODE_COMMIT = re.compile(r"git-codecommit(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")


@dataclass(frozen=True, slots=True)
class ForgePlace:
    """What differs between forges. `ssh_name`: the host's name for SSH, when --ssh-hostname names none.

    `git_user`: with the token, for the clone. `over_https`: how the cluster reads, when it is not by an SSH key.
    """

    repository: Repository
    wish: RepositoryWish
    ssh_name: str
    git_user: str
    over_https: BasicAuth | FromDeployToken | None = None
    grants: tuple[TeamGrant, ...] = ()
    private_key: bytes = field(default=b"", repr=False)


def github_plan(flags: "GitHub", namespace: str, token: str, timeout: float) -> Plan:
    """Raises BootstrapError and its kin."""
    owner, name = flags.place.owner, flags.place.repository
    domain = domain_of(flags.hostname)
    place = ForgePlace(
        Repository(domain, owner, name),
        RepositoryWish(owner, name, flags.place.personal, flags.private),
        ssh_name=Site(domain).host,
        git_user=owner,
        grants=tuple(TeamGrant.parse(team) for team in flags.team),
    )
    return forge_plan(flags, place, namespace, token, timeout)


def forge_plan(flags: "FromForge", place: ForgePlace, namespace: str, token: str, timeout: float) -> Plan:
    """For any forge. Raises BootstrapError and its kin."""
    common = flags.common
    ca = authority(common)
    host = _ssh_host(common.ssh_hostname or place.ssh_name)
    over_https = place.over_https or (BasicAuth("git", token) if common.token_auth else None)
    if over_https:
        url, secret = place.repository.clone_url, SourceSecret(over_https, ca)
    else:
        key = place.private_key
        url = place.repository.ssh_url(_netloc(host))
        secret = SourceSecret(GivenKey(host, key) if key else _generated(common, host), ca)
    return Plan(
        components=common.install.options(namespace),
        sync=_sync(common, flags.sync, namespace, url),
        remote=_parsed(place.repository.clone_url),
        credentials=Credentials(username=place.git_user, password=token, ca=ca),
        secret=secret,
        commits=_commits(common),
        target=ForgeTarget(place.repository, place.wish, place.grants, flags.place.reconcile, flags.place.read_write_key),
        pull_secret=common.install.pull_secret(),
        overrides=common.install.force,
        timeout=timeout,
    )


def git_plan(flags: "Git", namespace: str, password: str, timeout: float, environment: Mapping[str, str]) -> Plan:
    """`environment` has the SSH agent and the home that known hosts are in. Raises BootstrapError and its kin."""
    common, url = flags.common, _remote(flags)
    ca = authority(common)
    key = private_key(common)
    if CODE_COMMIT.fullmatch(url.host):
        _check_code_commit(flags, url, key)
    return Plan(
        components=common.install.options(namespace),
        sync=_sync(common, flags.sync, namespace, _sync_url(flags, url)),
        remote=url,
        credentials=_credentials(flags, url, password, key, ca, environment),
        secret=_git_secret(flags, url, password, key, ca),
        commits=_commits(common, password),
        pull_secret=common.install.pull_secret(),
        overrides=common.install.force,
        timeout=timeout,
    )


def _remote(flags: "Git") -> GitUrl:
    scheme = flags.url.partition("://")[0]
    doing = f"failed to create authentication options for {_without_user(flags.url)}"
    if "://" not in flags.url or scheme not in ("ssh", "https", "http"):
        raise InvalidPlan(f'{doing}: scheme "{scheme if "://" in flags.url else ""}" is not supported')
    if scheme == "http" and not flags.allow_insecure_http:
        raise InvalidPlan(f"{doing}: scheme http is insecure, pass --allow-insecure-http=true to allow it")
    try:
        return GitUrl.parse(flags.url)
    except InvalidUrl as error:
        raise InvalidPlan(f"{doing}: {error}") from error


def _sync_url(flags: "Git", url: GitUrl) -> str:
    """What the cluster follows: HTTPS with a token, else SSH, whatever the clone used (⚠ 27)."""
    if flags.uses_token:
        scheme = url.scheme if url.scheme == "http" and flags.allow_insecure_http else "https"
        port = f":{url.port}" if url.port and url.scheme != "ssh" else ""
        return f"{scheme}://{url.host}{port}{url.path}"
    user = flags.username if flags.username != "git" or not url.username else url.username
    return f"ssh://{user}@{_netloc(_sync_host(flags, url))}{url.path}"


def _sync_host(flags: "Git", url: GitUrl) -> SshHost:
    if flags.common.ssh_hostname:
        return _ssh_host(flags.common.ssh_hostname)
    return SshHost(url.host, (url.port if url.scheme == "ssh" else None) or 22)


def _credentials(flags: "Git", url: GitUrl, password: str, key: bytes, ca: bytes, environment: Mapping[str, str]) -> Credentials:
    if url.scheme == "ssh" and key:
        return Credentials(identity=key, passphrase=password)
    if url.scheme == "ssh":
        return _agent(environment)
    if flags.with_bearer_token:
        return Credentials(bearer_token=password, ca=ca)
    if password:
        return Credentials(username=flags.username, password=password, ca=ca)
    return Credentials(username=url.username, password=url.password, ca=ca)


def _agent(environment: Mapping[str, str]) -> Credentials:
    """The agent's keys, for hosts this machine knows."""
    socket = environment.get("SSH_AUTH_SOCK", "")
    if not socket:
        raise InvalidPlan("no SSH key to reach the repository with: give --private-key-file, or start an SSH agent")
    known = Path(environment.get("HOME", "/"), ".ssh", "known_hosts")
    return Credentials(agent=socket, known_hosts=_file(str(known), "unable to read the known hosts"))


def _git_secret(flags: "Git", url: GitUrl, password: str, key: bytes, ca: bytes) -> SourceSecret:
    if flags.with_bearer_token:
        return SourceSecret(BearerToken(password), ca)
    if flags.common.token_auth:
        if not flags.username:  # ⚠ 37: the peer writes an empty Secret
            raise InvalidPlan("--token-auth needs a user name: --username is empty")
        return SourceSecret(BasicAuth(flags.username, password), ca)
    host = _sync_host(flags, url)
    return SourceSecret(GivenKey(host, key, password) if key else _generated(flags.common, host), ca)


def _check_code_commit(flags: "Git", url: GitUrl, key: bytes) -> None:
    if url.scheme == "ssh":
        invalid = "invalid AWS CodeCommit url: ssh username should be"
        if "@" not in flags.url:
            raise InvalidPlan(f"{invalid} specified in the url")
        if url.username == "git":
            raise InvalidPlan(f"{invalid} the SSH key ID for the provided private key")
        if not key:
            raise InvalidPlan("private key file is required for bootstrapping against AWS CodeCommit using ssh")
    elif not flags.uses_token:
        raise InvalidPlan(
            "failed to get AWS CodeCommit IAM git credentials: they are not fetched from here; "
            "use --token-auth with the Git credentials of the IAM user"
        )


def _sync(common: "BootstrapOptions", flags: "SyncFlags", namespace: str, url: str) -> Sync:
    return Sync(
        namespace=namespace,
        url=url,
        branch=common.branch,
        path=flags.path,
        interval=duration_text(flags.interval),
        secret_name=common.secret_name,
        recurse_submodules=common.recurse_submodules,
        sparse_checkout=common.sparse_checkout,
    )


def _generated(common: "BootstrapOptions", host: SshHost) -> GeneratedKey:
    return GeneratedKey(host, common.ssh_key_algorithm, common.ssh_rsa_bits, common.ssh_ecdsa_curve)


def _commits(common: "BootstrapOptions", passphrase: str = "") -> CommitStyle:
    """`passphrase`: of the private key file."""
    author = Person(common.author_name, common.author_email)
    return CommitStyle(author, common.commit_message_appendix, _signer(common, passphrase))


def _signer(common: "BootstrapOptions", passphrase: str) -> Signer | None:
    if common.gpg_key_ring:
        ring = _file(common.gpg_key_ring, "unable to open GPG key ring")
        return _key("invalid GPG signing key", lambda: OpenPgpSigner(ring, common.gpg_key_id, common.gpg_passphrase))
    if common.ssh_signing_key_file:
        password = common.ssh_signing_password or common.ssh_signing_passphrase
        identity = _file(common.ssh_signing_key_file, "failed to read SSH signing key file")
        return _key("invalid SSH signing key", lambda: SshSigner(identity, password))
    if common.ssh_signing_reuse_private_key:
        identity = private_key(common)
        return _key("invalid signing key (reused from --private-key-file)", lambda: SshSigner(identity, passphrase))
    return None


def _key(doing: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except InvalidKey as error:
        raise InvalidPlan(f"{doing}: {error}") from error


def private_key(common: "BootstrapOptions") -> bytes:
    return _file(common.private_key_file, "failed to read the private key file") if common.private_key_file else b""


def authority(common: "BootstrapOptions") -> bytes:
    return _file(common.ca_file, "unable to read TLS CA file") if common.ca_file else b""


def _file(path: str, doing: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BootstrapError(f"{doing}: open {path}: {(error.strerror or str(error)).lower()}") from error


def _ssh_host(text: str) -> SshHost:
    domain = domain_of(text)
    return SshHost(Site(domain).host, urlsplit(f"//{domain}").port or 22)


def _netloc(host: SshHost) -> str:
    return host.name if host.port == 22 else f"{host.name}:{host.port}"


def _parsed(url: str) -> GitUrl:
    try:
        return GitUrl.parse(url)
    except InvalidUrl as error:
        raise InvalidPlan(str(error)) from error


def _without_user(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)
