"""Secret data to what opens a Git server. Knows the keys users write (source-kustomize.md 3.2); knows nothing of Git itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

SecretData = Mapping[str, bytes]
_PROXY_SCHEMES = ("http", "https", "socks5")
_LONGEST_PROXY_ADDRESS = 2048


class InvalidSecret(Exception):
    """A Secret lacks a key or holds a value that cannot work. The message names keys, never values."""


@dataclass(frozen=True, slots=True)
class GitAccess:
    """Field for field what the git tool takes as credentials, but for the proxy. Empty means absent."""

    username: str = ""
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    identity: bytes = field(default=b"", repr=False)
    passphrase: str = field(default="", repr=False)
    known_hosts: bytes = b""
    ca: bytes = b""
    client_cert: bytes = b""
    client_key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ProxyAccess:
    """`address`: scheme://host:port."""

    address: str
    username: str = ""
    password: str = field(default="", repr=False)


def git_access(data: SecretData, scheme: str, user_in_url: bool = False) -> GitAccess:
    """What a Secret gives for a URL of this scheme. Raises InvalidSecret."""
    return _ssh_access(data) if scheme == "ssh" else _http_access(data, user_in_url)


def has_github_app(data: SecretData) -> bool:
    """Whether the Secret is of a GitHub App."""
    return any(key.startswith("githubApp") and value for key, value in data.items())


def proxy_access(data: SecretData) -> ProxyAccess:
    """From a Secret with `address`, and `username` and `password` where the proxy wants them. Raises InvalidSecret."""
    address = text_of(data, "address").strip()
    if not address:
        raise InvalidSecret("'address' is required")
    if len(address) > _LONGEST_PROXY_ADDRESS:
        raise InvalidSecret(f"'address' is longer than {_LONGEST_PROXY_ADDRESS} characters")
    malformed = InvalidSecret(f"'address' must be a URL of scheme {', '.join(_PROXY_SCHEMES)}")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise malformed from None
    if parts.scheme not in _PROXY_SCHEMES or not host or not address.isprintable() or " " in address:
        raise malformed
    host = f"[{host}]" if ":" in host else host
    username = text_of(data, "username") or unquote(parts.username or "")
    password = text_of(data, "password") or unquote(parts.password or "")
    return ProxyAccess(f"{parts.scheme}://{host}" + (f":{port}" if port else ""), username, password)


def _ssh_access(data: SecretData) -> GitAccess:
    return GitAccess(
        identity=data.get("identity", b""),
        passphrase=text_of(data, "password"),
        known_hosts=data.get("known_hosts", b""),
    )


def _http_access(data: SecretData, user_in_url: bool) -> GitAccess:
    token, username, password = (text_of(data, key) for key in ("bearerToken", "username", "password"))
    if token and user_in_url:
        raise InvalidSecret("basic auth and bearer token cannot be set at the same time")
    if password and not username and not token:
        raise InvalidSecret("'username' is required with 'password'")
    certificate, key = data.get("tls.crt", b""), data.get("tls.key", b"")
    if bool(certificate) != bool(key):
        raise InvalidSecret("'tls.crt' and 'tls.key' are required together")
    return GitAccess(
        username="" if token else username,
        password="" if token else password,
        bearer_token=token,
        ca=data.get("ca.crt", b"") or data.get("caFile", b""),
        client_cert=certificate,
        client_key=key,
    )


def text_of(data: SecretData, key: str) -> str:
    """A value as text, "" when absent. Raises InvalidSecret."""
    try:
        return data.get(key, b"").decode()
    except UnicodeDecodeError:
        raise InvalidSecret(f"'{key}' is not UTF-8 text") from None
