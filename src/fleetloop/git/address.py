"""Where a Git repository is: a parsed, validated URL, its user info kept apart so that it is never shown."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from fleetloop.git.errors import InvalidUrl

PROTOCOLS = ("http", "https", "ssh")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]+(%25[A-Za-z0-9]+)?\]")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+=~-]*")


@dataclass(frozen=True, slots=True)
class GitUrl:
    """`str(url)` is what git is given and what is shown: without a password, and for HTTP without a user."""

    scheme: str
    host: str
    port: int | None
    path: str
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str, protocols: tuple[str, ...] = PROTOCOLS) -> "GitUrl":
        """Raises InvalidUrl; its message holds nothing of the user info."""
        if not text.isprintable() or " " in text or "\\" in text:
            raise InvalidUrl("invalid repository URL: it holds a space, a backslash or a control character")
        scheme, found, _ = text.partition("://")
        if not found or scheme not in protocols:
            allowed = ", ".join(protocols)
            raise InvalidUrl(
                f"invalid repository URL: transport scheme '{_scheme_shown(scheme, found)}' unsupported, use one of: {allowed}"
            )
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise InvalidUrl("invalid repository URL: the host or port cannot be read") from None
        host = f"[{host}]" if ":" in host else host
        if not _HOST.fullmatch(host):
            raise InvalidUrl("invalid repository URL: the host name is missing or malformed")
        username = unquote(parts.username or "")
        if scheme == "ssh":
            username = username or "git"
            if not _USER.fullmatch(username):
                raise InvalidUrl("invalid repository URL: the user name is malformed")
        if parts.fragment or not parts.path.strip("/"):
            raise InvalidUrl("invalid repository URL: it needs a path and takes no fragment")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return cls(scheme, host, port, path, username, unquote(parts.password or ""))

    @property
    def origin(self) -> str:
        """Scheme, host and port: what credentials belong to."""
        return f"{self.scheme}://{self.host}" + (f":{self.port}" if self.port else "")

    def __str__(self) -> str:
        if self.scheme != "ssh":
            return self.origin + self.path
        return f"ssh://{self.username}@{self.host}" + (f":{self.port}" if self.port else "") + self.path


def _scheme_shown(scheme: str, found: str) -> str:
    return scheme if found and re.fullmatch(r"[A-Za-z0-9+.-]{1,20}", scheme) else ""
