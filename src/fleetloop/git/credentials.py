"""What opens a Git server, and how the git program gets it: by environment and private files, never by arguments.

Credentials are bound to the scheme, host and port of the repository: a redirect or a submodule elsewhere does
not receive them. Where they come from (Secrets, flags) is not known here.
"""

import base64
import re
import shlex
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from fleetloop.git import socks_connect
from fleetloop.git.address import GitUrl
from fleetloop.git.errors import AuthenticationFailed, InvalidKey

_ALGORITHMS = re.compile(r"[A-Za-z0-9@.+,-]*")


@dataclass(frozen=True, slots=True)
class Proxy:
    """`address`: scheme://host:port, http, https or socks5."""

    address: str
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def is_socks(self) -> bool:
        return self.address.startswith("socks5://")

    def url(self) -> str:
        """A secret. Names are resolved by the proxy, as it may be the only one who can."""
        scheme, _, rest = self.address.partition("://")
        scheme = "socks5h" if self.is_socks else scheme
        if not self.username:
            return f"{scheme}://{rest}"
        return f"{scheme}://{quote(self.username, safe='')}:{quote(self.password, safe='')}@{rest}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Any part may be empty. For HTTP a bearer token wins over a user name; SSH must have known_hosts, and an identity or
    the socket of the `agent` that has one."""

    username: str = ""
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    identity: bytes = field(default=b"", repr=False)
    passphrase: str = field(default="", repr=False)
    known_hosts: bytes = b""
    agent: str = ""
    ca: bytes = b""  # PEM, added to the system's pool
    client_cert: bytes = b""
    client_key: bytes = field(default=b"", repr=False)
    proxy: Proxy | None = None


ANONYMOUS = Credentials()


@dataclass(frozen=True, slots=True)
class Access:
    """What a git child process needs to use credentials: configuration, variables, and files under its home."""

    config: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class SshAlgorithms:
    """Comma-separated lists for `--ssh-kex-algos` and `--ssh-hostkey-algos`; empty means OpenSSH's choice."""

    key_exchange: str = ""
    host_key: str = ""

    def __post_init__(self) -> None:
        if not _ALGORITHMS.fullmatch(self.key_exchange) or not _ALGORITHMS.fullmatch(self.host_key):
            raise ValueError("ssh algorithms: a comma-separated list of algorithm names is expected")


OPENSSH_CHOICE = SshAlgorithms()


def access_of(url: GitUrl, credentials: Credentials, home: Path, ssh: SshAlgorithms) -> Access:
    """Pure. `home` is the private folder the files will be written to. Raises AuthenticationFailed, InvalidKey."""
    return _ssh_access(url, credentials, home, ssh) if url.scheme == "ssh" else _http_access(url, credentials, home)


def unlocked(url: GitUrl, credentials: Credentials) -> Credentials:
    """The credentials, shown to be of the form this URL needs, an encrypted identity opened. Blocking: a passphrase costs time.

    Raises AuthenticationFailed.
    """
    if url.scheme != "ssh":
        authorization(url, credentials)
        return credentials
    return replace(credentials, identity=_openssh_identity(credentials), passphrase="")


def _http_access(url: GitUrl, credentials: Credentials, home: Path) -> Access:
    config: list[tuple[str, str]] = []
    variables: list[tuple[str, str]] = []
    files: list[tuple[str, bytes]] = []
    if header := authorization(url, credentials):
        config.append((f"http.{url.origin}/.extraHeader", f"Authorization: {header}"))
        # git would repeat the header to whatever host a redirect names
        config.append(("http.followRedirects", "false"))
    if credentials.ca:
        files.append(("ca.pem", _system_pool() + credentials.ca))
        config.append((f"http.{url.origin}/.sslCAInfo", str(home / "ca.pem")))
        variables.append(("GIT_SSL_CAINFO", str(home / "ca.pem")))  # an inherited one would win over the configuration
    if credentials.client_cert:
        files += [("tls.crt", credentials.client_cert), ("tls.key", credentials.client_key)]
        config.append((f"http.{url.origin}/.sslCert", str(home / "tls.crt")))
        config.append((f"http.{url.origin}/.sslKey", str(home / "tls.key")))
    if credentials.proxy:
        config.append(("http.proxy", credentials.proxy.url()))
    return Access(tuple(config), tuple(variables), tuple(files))


def authorization(url: GitUrl, credentials: Credentials) -> str:
    """The HTTP header's value, "" for none. Raises AuthenticationFailed."""
    if credentials.bearer_token:
        return f"Bearer {_one_line(credentials.bearer_token, 'bearer token')}"
    username, password = credentials.username, credentials.password
    if not (username or password):
        username, password = url.username, url.password
    if not (username or password):
        return ""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _one_line(secret: str, name: str) -> str:
    if not secret.isprintable():
        raise AuthenticationFailed(f"invalid credentials: the {name} holds a control character")
    return secret


def _system_pool() -> bytes:
    pool = ssl.get_default_verify_paths().cafile
    return Path(pool).read_bytes() + b"\n" if pool else b""


def _ssh_access(url: GitUrl, credentials: Credentials, home: Path, ssh: SshAlgorithms) -> Access:
    identity = _openssh_identity(credentials)
    config = (_proxy_config(url, credentials) + _ssh_config(home, ssh, credentials)).encode()
    known_hosts = credentials.known_hosts.rstrip() + b"\n"
    files = [("ssh_config", config), ("known_hosts", known_hosts)]
    if identity:
        files.append(("identity", identity))
    command = f"ssh -F {shlex.quote(str(home / 'ssh_config'))}"
    variables = (("GIT_SSH_COMMAND", command), ("GIT_SSH_VARIANT", "ssh"), *_proxy_variables(url, credentials.proxy))
    return Access(variables=variables, files=tuple(files))


def _openssh_identity(credentials: Credentials) -> bytes:
    """The private key as OpenSSH reads it without a question; empty when an agent has it. Raises AuthenticationFailed."""
    if not credentials.identity and not credentials.agent:
        raise AuthenticationFailed("invalid SSH credentials: 'identity' is required")
    if not credentials.known_hosts.strip():
        raise AuthenticationFailed("invalid SSH credentials: 'known_hosts' is required")
    if credentials.proxy and not credentials.proxy.is_socks:
        raise AuthenticationFailed("invalid proxy: Git over SSH takes a socks5:// proxy alone")
    if not credentials.identity:
        return b""
    from fleetloop.git.keys import openssh_form  # cryptography, which HTTPS does without

    try:
        return openssh_form(credentials.identity, credentials.passphrase)
    except InvalidKey as error:
        raise AuthenticationFailed(f"invalid SSH credentials: {error}") from None


def _proxy_config(url: GitUrl, credentials: Credentials) -> str:
    """The helper knows one target. Any other, which a submodule may name, is not reached past the proxy."""
    if not credentials.proxy:
        return ""
    program = shlex.join([sys.executable, "-I", "-S", socks_connect.__file__]).replace("%", "%%")
    through = f"Host {url.host.strip('[]')}\n  ProxyUseFdpass yes\n  ProxyCommand {program}\n"
    return through + "Host *\n  ProxyCommand exit 1\n"


def _proxy_variables(url: GitUrl, proxy: Proxy | None) -> Iterator[tuple[str, str]]:
    if proxy:
        place = proxy.address.removeprefix("socks5://")
        yield socks_connect.PROXY, place if re.search(r":\d+$", place) else f"{place}:1080"
        yield socks_connect.TARGET, f"{url.host}:{url.port or 22}"
        yield socks_connect.USERNAME, proxy.username
        yield socks_connect.PASSWORD, proxy.password


def _ssh_config(home: Path, ssh: SshAlgorithms, credentials: Credentials) -> str:
    if credentials.identity:
        key = {"IdentityFile": f'"{home / "identity"}"', "IdentitiesOnly": "yes", "IdentityAgent": "none"}
    else:
        key = {"IdentityAgent": f'"{credentials.agent}"'}
    wishes = key | {
        "UserKnownHostsFile": f'"{home / "known_hosts"}"',
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "CheckHostIP": "no",
        "BatchMode": "yes",
        "PreferredAuthentications": "publickey",
        "ClearAllForwardings": "yes",
        "ForwardAgent": "no",
        "ConnectTimeout": "30",
        "ServerAliveInterval": "60",
        "KexAlgorithms": ssh.key_exchange,
        "HostKeyAlgorithms": ssh.host_key,
    }
    return "Host *\n" + "".join(f"  {name} {value}\n" for name, value in wishes.items() if value)
