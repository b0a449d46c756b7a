"""A kubeconfig that somebody else wrote: it may hold anything, and must do nothing on this machine (CVE-2022-24817)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fleetloop.kube.connection import Connection, from_document
from fleetloop.kube.errors import BadConnection

REFUSED = {
    "users": ("user", ("client-certificate", "client-key", "tokenFile", "exec", "auth-provider")),
    "clusters": ("cluster", ("certificate-authority", "insecure-skip-tls-verify")),
    "contexts": ("context", ()),
}
TEXTS = (
    *("server", "tls-server-name", "proxy-url"),
    *("token", "username", "password", "as", "cluster", "user", "namespace"),
)


@dataclass(frozen=True, slots=True)
class ForeignRules:
    """What an operator allows descriptions of clusters that somebody else wrote.

    `commands`: exec plugins; `unverified`: TLS that is not; `accounts`: to name a service account that logs in, `default_account`
    where none is named. `environment`: the proxies of this process.
    """

    commands: bool = False
    unverified: bool = False
    accounts: bool = False
    default_account: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def allowed(self) -> frozenset[str]:
        """Keys of kubeconfigs that are usually refused."""
        switches = {"exec": self.commands, "insecure-skip-tls-verify": self.unverified}
        return frozenset(key for key, on in switches.items() if on)


def from_foreign_document(document: object, allowed: frozenset[str] = frozenset()) -> Connection:
    """A kubeconfig that somebody else wrote; it may hold anything. `allowed`: keys that are usually refused.

    Raises BadConnection for commands, file paths and TLS that is not verified, naming the entry and the key, and for all that is
    no kubeconfig; never shows a value.
    """
    if not isinstance(document, dict):
        raise BadConnection("not a kubeconfig: no mapping")
    for section, (word, keys) in REFUSED.items():
        for entry in _entries(document, section):
            name, body = entry.get("name"), entry.get(word) or {}
            if not isinstance(name, str) or not isinstance(body, dict):
                raise BadConnection(f"not a kubeconfig: an entry of {section} is no name with a {word}")
            if found := next((key for key in keys if body.get(key) and key not in allowed), None):
                raise BadConnection(f"{word} {name!r}: {found} is not allowed in a kubeconfig from a Secret")
            if wrong := next((key for key in TEXTS if not _is_line(body.get(key))), None):
                raise BadConnection(f"{word} {name!r}: {wrong} is no text on one line")
            if not all(_is_line(group) for group in _list(body.get("as-groups"))):
                raise BadConnection(f"{word} {name!r}: as-groups is no list of texts")
            if (proxy := body.get("proxy-url")) and not proxy.startswith(("http://", "https://")):
                raise BadConnection(f"{word} {name!r}: proxy-url is no http or https URL, and others are not supported")
    return from_document(document)


def _entries(document: dict[str, Any], section: str) -> list[dict[str, Any]]:
    found = _list(document.get(section))
    if not all(isinstance(entry, dict) for entry in found):
        raise BadConnection(f"not a kubeconfig: {section} is no list of entries")
    return found


def _list(value: object) -> list[Any]:
    """What is no list is one bad entry."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_line(value: object) -> bool:
    """What can be sent in a header; left out counts."""
    return value is None or (isinstance(value, str) and not any(char < " " or char == "\x7f" for char in value.rstrip("\n")))
