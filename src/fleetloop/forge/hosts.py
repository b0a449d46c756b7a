"""Where a forge lives: one reading of `--hostname` for API, web and SSH (bootstrap ⚠ 23, 24, 25)."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from fleetloop.forge.errors import InvalidHost

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?"
_ROOT = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


def domain_of(hostname: str) -> str:
    """`host` or `host:port`, checked. A scheme, a path or credentials are refused. Raises InvalidHost."""
    if not hostname or not _is_host(hostname):
        raise InvalidHost(f'invalid hostname "{hostname}": expected host or host:port, without scheme or path')
    return hostname


@dataclass(frozen=True, slots=True)
class Site:
    """A forge that may live below a path of its host: `git.corp:8443`, and `/gitlab` or ""."""

    domain: str
    root: str = ""

    @property
    def address(self) -> str:
        return self.domain + self.root

    @property
    def url(self) -> str:
        return f"https://{self.address}"

    @property
    def host(self) -> str:
        """Without the port: where SSH is looked for."""
        return self.domain if self.domain.endswith("]") else self.domain.rpartition(":")[0] or self.domain


def site_of(hostname: str) -> Site:
    """`host`, `host:port`, a path below it, with or without `https://`. Raises InvalidHost.

    `http://` is refused at once: the token would be sent in the clear, and Git would refuse to later.
    """
    scheme, found, rest = hostname.partition("://")
    if found and scheme != "https":
        problem = "basic auth cannot be sent over HTTP" if scheme == "http" else f'scheme "{scheme}" is not supported'
        raise InvalidHost(f'invalid hostname "{hostname}": {problem}')
    domain, slash, path = (rest if found else hostname).partition("/")
    root = f"/{path.strip('/')}" if slash and path.strip("/") else ""
    if not _ROOT.fullmatch(root):
        raise InvalidHost(f'invalid hostname "{hostname}": the path is malformed')
    return Site(domain_of(domain), root)


def _is_host(text: str) -> bool:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.netloc == text and "@" not in text and port != 0 and (":" in host or _NAME.fullmatch(host) is not None)
