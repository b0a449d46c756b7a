"""Which repository and which commit a note is about. Pure. Flux: helm-notification-image.md 3.4."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.providers.reasons import PROGRESSING, words_of
from fleetloop.controllers.notification.providers.sending import address_of

_SHA = re.compile(r"(?:^|[:/@])([0-9a-f]{40})$")
_SCP = re.compile(r"^(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)$")


@dataclass(frozen=True, slots=True)
class Repository:
    """`server`: scheme, host and port; `path`: what stands behind, without slashes around it and without `.git`."""

    server: str
    path: str

    @property
    def host(self) -> str:
        return self.server.partition("://")[2]

    def owner_and_name(self) -> tuple[str, str]:
        """Raises DeliveryFailed."""
        parts = self.path.split("/")
        if len(parts) != 2 or not all(parts):
            raise DeliveryFailed(f"'{self.path}' is no owner and repository")
        return parts[0], parts[1]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a commit: `state` is success or failure, `description` the reason in words."""

    sha: str
    is_success: bool
    description: str


def repository_of(note: Note) -> Repository:
    """ssh addresses are of the same host's HTTPS. Raises DeliveryFailed."""
    address = address_of(note)
    if "://" not in address and (match := _SCP.match(address)):
        return Repository(f"https://{match[1]}", _path(match[2]))
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https", "ssh"):
        raise DeliveryFailed("the address is no URL of a repository")
    host = f"[{host}]" if ":" in host else host
    if parts.scheme == "ssh":
        return Repository(f"https://{host}", _path(parts.path))
    return Repository(f"{parts.scheme}://{host}" + (f":{port}" if port else ""), _path(parts.path))


def verdict_of(note: Note) -> Verdict | None:
    """None for what is under way. Raises DeliveryFailed without a commit."""
    if note.event.reason == PROGRESSING:
        return None
    return Verdict(sha_of(note), not note.is_error, words_of(note.event.reason))


def sha_of(note: Note) -> str:
    """Of `commit`, `originRevision` or `revision`: `main@sha1:<40 hex>`, or `main/<40 hex>` as it was once."""
    metadata = note.event.metadata
    revision = metadata.get("commit") or metadata.get("originRevision") or metadata.get("revision") or ""
    if not revision:
        raise DeliveryFailed("missing revision metadata")
    match = _SHA.search(revision)
    if not match:
        raise DeliveryFailed(f"failed to extract commit hash from '{revision[:200]}' revision")
    return match[1]


def _path(text: str) -> str:
    return text.strip("/").removesuffix(".git")
