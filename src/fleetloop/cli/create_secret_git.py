"""`create secret git`: credentials of a Git repository."""

from dataclasses import dataclass

from fleetloop.cli.command import flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create_secret import CreateSecret, SecretContent
from fleetloop.cli.create_source_git import parse_git_url
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.files import read_file
from fleetloop.cli.ssh_key import SshKeyFlags, scan_known_hosts, ssh_secret_data


@dataclass(frozen=True)
class CreateSecretGit(CreateSecret):
    """Create or update a Secret with the credentials of a Git repository.

    For SSH the server's host key is fetched, and a key is made unless one is given: add its public half as a deploy key.

    Examples:
      fleetloop create secret git apps --url=ssh://git@git.example.com/apps
      fleetloop create secret git apps --url=https://git.example.com/apps --username=me --password=$TOKEN
    """

    word = "git"

    url: str = flag("--url", help="address of the repository, ssh, http or https")
    username: str = flag("--username", "-u", help="user name for HTTPS")
    password: str = flag("--password", "-p", help="password for HTTPS, or passphrase of the private key")
    bearer_token: str = flag("--bearer-token", help="bearer token for HTTPS")
    ca_crt_file: str = flag("--ca-crt-file", help="CA certificate of the HTTPS server")
    key: SshKeyFlags = options(SshKeyFlags)

    def check_content(self) -> None:
        if not self.url:
            raise UsageError("url is required")
        if parse_git_url(self.url).scheme == "ssh":
            return
        has_user = bool(self.username and self.password)
        if not has_user and not self.bearer_token:
            raise UsageError("for Git over HTTP/S the username and password, or a bearer token is required")
        if self.bearer_token and (self.username or self.password):
            raise UsageError("user credentials and bearer token cannot be used together")

    def content(self, cx: Context) -> SecretContent:
        if parse_git_url(self.url).scheme == "ssh":
            return SecretContent(self._ssh(cx))
        ca = {"ca.crt": read_file(self.ca_crt_file, "unable to read TLS CA file").decode()} if self.ca_crt_file else {}
        if self.bearer_token:
            return SecretContent({"bearerToken": self.bearer_token} | ca)
        return SecretContent({"username": self.username, "password": self.password} | ca)

    def _ssh(self, cx: Context) -> dict[str, str]:
        from fleetloop.git import GitUnreachable

        parts = parse_git_url(self.url)
        pair = self.key.key_pair(self.password)
        try:
            known_hosts = scan_known_hosts(cx, parts)
        except (GitUnreachable, TimeoutError) as error:
            raise CliError(f"SSH key scan for host {parts.hostname} failed, error: {error or 'timed out'}") from None
        if not self.common.export:
            cx.say.generate(f"deploy key: {pair.identity_pub.decode()}")
        return ssh_secret_data(pair, known_hosts, self.password)
