"""`create source git`: follow a Git repository, with the credentials for it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import (
    apply_and_wait,
    artifact_revision,
    check_name,
    export,
    manifest_of,
    name_ref,
    seconds_text,
)
from fleetloop.cli.create_secret import SecretContent
from fleetloop.cli.create_source import SourceOptions, apply_credentials
from fleetloop.cli.errors import UsageError
from fleetloop.cli.files import read_file
from fleetloop.cli.goflags import choice, quoted
from fleetloop.cli.ssh_key import SshKeyFlags, scan_known_hosts, ssh_secret_data
from fleetloop.cli.subjects import BY_NAME

WHAT = "GitRepository source"


@dataclass(frozen=True)
class CreateSourceGit(Command):
    """Create or update a GitRepository source.

    Examples:
      fleetloop create source git apps --url=https://git.example.com/apps --branch=main
      fleetloop create source git apps --url=ssh://git@git.example.com/apps --tag-semver=">=1.0.0" --interval=5m
    """

    checks_namespace = False

    name: str = argument()
    shared: SourceOptions = options(SourceOptions)
    url: str = flag("--url", help="address of the repository, ssh, http or https")
    branch: str = flag("--branch", help="the branch to follow")
    tag: str = flag("--tag", help="the tag to check out")
    tag_semver: str = flag("--tag-semver", help="follow the newest tag in a range of semantic versions")
    ref_name: str = flag("--ref-name", help="the ref to check out, as in refs/heads/main")
    commit: str = flag("--commit", help="the commit to check out")
    username: str = flag("--username", "-u", help="user name for HTTPS")
    password: str = flag("--password", "-p", help="password for HTTPS, or passphrase of the private key")
    ca_file: str = flag("--ca-file", help="CA certificate of the HTTPS server")
    key: SshKeyFlags = options(SshKeyFlags)
    secret_ref: str = flag("--secret-ref", help="an existing Secret with credentials")
    proxy_secret_ref: str = flag("--proxy-secret-ref", help="an existing Secret with a proxy's address")
    provider: str = flag(
        "--provider", type=choice("source Git provider", "generic", "github", "aws", "azure"), help="who authenticates"
    )
    recurse_submodules: bool = flag("--recurse-submodules", help="fetch submodules too")
    ignore_paths: tuple[str, ...] = flag("--ignore-paths", help="paths to leave out, in .gitignore form")
    sparse_checkout_paths: tuple[str, ...] = flag("--sparse-checkout-paths", help="directories to check out, and no others")
    silent: bool = flag("--silent", "-s", help="do not ask whether the deploy key was added")

    def check(self) -> None:
        check_name(self.name)
        if not self.url:
            raise UsageError("url is required")
        parts = parse_git_url(self.url)
        if not (self.branch or self.tag or self.tag_semver or self.ref_name or self.commit):
            flags = "--branch, --tag, --commit, --ref-name or --tag-semver"
            raise UsageError(f"a Git ref is required, use one of the following: {flags}")
        if parts.scheme == "ssh" and self.ca_file:
            raise UsageError("specifying a CA file is not supported for Git over SSH")
        self.shared.common.labels()

    def run(self, cx: Context) -> None:
        kind = BY_NAME["GitRepository"]
        manifest = manifest_of(cx, kind, self.name, self.shared.common, self._spec())
        if self.shared.common.export:
            export(cx, manifest)
            return
        cx.say.generate(f"generating {WHAT}")
        if not self.secret_ref and (data := self._credentials(cx)):
            cx.say.action("applying secret with repository credentials")
            apply_credentials(cx, manifest["metadata"], SecretContent(data))
            cx.say.success("authentication configured")
            manifest["spec"]["secretRef"] = {"name": self.name}
        done = apply_and_wait(cx, kind, manifest, WHAT)
        cx.say.success(f"{WHAT} reconciliation completed")
        cx.say.success(f"fetched revision: {artifact_revision(done, WHAT)}")

    def _spec(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "ref": self._ref(),
            "timeout": seconds_text(self.shared.fetch_timeout),
            "secretRef": name_ref(self.secret_ref),
            "proxySecretRef": name_ref(self.proxy_secret_ref),
            "provider": self.provider,
            "recurseSubmodules": self.recurse_submodules or None,
            "ignore": "\n".join(self.ignore_paths),
            "sparseCheckout": list(self.sparse_checkout_paths),
        }

    def _ref(self) -> dict[str, str]:
        """The most exact one wins and the others are dropped; a commit keeps its branch."""
        if self.commit:
            return {"commit": self.commit} | ({"branch": self.branch} if self.branch else {})
        named = (("name", self.ref_name), ("semver", self.tag_semver), ("tag", self.tag), ("branch", self.branch))
        return dict([next((key, value) for key, value in named if value)])

    def _credentials(self, cx: Context) -> dict[str, str]:
        """What the Secret will hold. ⚠ CLI14: nothing for a public repository, and then no Secret is made."""
        parts = parse_git_url(self.url)
        if parts.scheme == "ssh":
            return self._ssh_credentials(cx, parts)
        if parts.scheme == "http":
            cx.say.warning("insecure configuration: credentials configured for an HTTP URL")
        found = {"username": self.username, "password": self.password} if self.username and self.password else {}
        return found | ({"ca.crt": read_file(self.ca_file).decode()} if self.ca_file else {})

    def _ssh_credentials(self, cx: Context, parts: SplitResult) -> dict[str, str]:
        pair = self.key.key_pair(self.password)
        known_hosts = scan_known_hosts(cx, parts)
        cx.say.success(f"collected public key from SSH server:\n{known_hosts}")
        cx.say.generate(f"deploy key: {pair.identity_pub.decode()}")
        if not self.silent:
            cx.confirm("Have you added the deploy key to your repository")
        return ssh_secret_data(pair, known_hosts, self.password)


def parse_git_url(url: str) -> SplitResult:
    """Raises UsageError."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"git URL parse failed: {error}") from None
    if not parts.scheme and ":" in url.partition("/")[0]:
        raise UsageError(f"git URL parse failed: parse {quoted(url)}: first path segment in URL cannot contain colon")
    if parts.scheme not in {"ssh", "http", "https"}:
        raise UsageError(f"git URL scheme '{parts.scheme}' not supported, can be: ssh, http and https")
    return parts
