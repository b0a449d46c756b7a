"""Credentials by registry, as `docker login` keeps them. Pure."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleetloop.oci.errors import AuthenticationFailed
from fleetloop.oci.reference import Repository

DOCKER_CONFIG = ".dockerconfigjson"


@dataclass(frozen=True, slots=True)
class Login:
    """`token`: what the registry's token service gave for the password (an identity token); `bearer`: used as it is."""

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)


NOBODY = Login()


class Keychain:
    """The most specific entry wins: a repository's path before its registry."""

    def __init__(self, entries: Iterable[tuple[str, Login]] = ()) -> None:
        self._entries = {_normal(name): login for name, login in entries}

    @classmethod
    def of_docker_config(cls, *documents: bytes) -> "Keychain":
        """Earlier documents win. Raises AuthenticationFailed, quoting nothing."""
        entries: dict[str, Login] = {}
        for document in reversed(documents):
            entries |= dict(_entries(document))
        return cls(entries.items())

    def login_for(self, repository: Repository) -> Login:
        path = str(repository)
        while path:
            if found := self._entries.get(path):
                return found
            path = path.rpartition("/")[0]
        return NOBODY

    def __bool__(self) -> bool:
        return bool(self._entries)


def _entries(document: bytes) -> Iterable[tuple[str, Login]]:
    try:
        auths = json.loads(document).get("auths") or {}
        return [(_normal(name), _login(entry)) for name, entry in auths.items()]
    except (ValueError, AttributeError, TypeError, binascii.Error):
        raise AuthenticationFailed("malformed docker config: 'auths' cannot be read") from None


def _login(entry: Mapping[str, Any]) -> Login:
    username, password = entry.get("username") or "", entry.get("password") or ""
    if auth := entry.get("auth"):
        username, _, password = base64.b64decode(auth).decode().partition(":")
    return Login(username, password.rstrip("\0"), entry.get("identitytoken") or "", entry.get("registrytoken") or "")


def _normal(name: str) -> str:
    """Docker's own name for its hub, and addresses with scheme and API version, are hosts here."""
    bare = name.removeprefix("https://").removeprefix("http://").rstrip("/")
    for version in ("/v1", "/v2"):
        bare = bare.removesuffix(version)
    host, slash, rest = bare.partition("/")
    host = {"docker.io": "index.docker.io", "registry-1.docker.io": "index.docker.io"}.get(host, host)
    return f"{host}{slash}{rest}"
