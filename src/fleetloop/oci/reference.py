"""Names of what a registry holds: `oci://host/repository`, with a tag or a digest. Pure."""

import ipaddress
import re
from dataclasses import dataclass, replace

from fleetloop.oci.errors import InvalidReference

SCHEME = "oci://"
_DOCKER_HUB_HOST = "index.docker.io"
_DOCKER_HUB = {"docker.io": _DOCKER_HUB_HOST, "registry-1.docker.io": _DOCKER_HUB_HOST}
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)(?:\.[A-Za-z0-9-]+)*(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})")


def is_tag(text: str) -> bool:
    """Whether a registry may have it; some list what is none."""
    return bool(_TAG.fullmatch(text))


def is_digest(text: str) -> bool:
    return bool(_DIGEST.fullmatch(text))


@dataclass(frozen=True, slots=True)
class Repository:
    """`host` with its port, as people write it; `name` is the path in the registry."""

    host: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Repository":
        """As images are named: without a host, which a dot, a port or `localhost` shows, it is at Docker Hub.

        `oci://` may be left out. Raises InvalidReference, also for a tag or digest.
        """
        bare = text.removeprefix(SCHEME).rstrip("/")
        first, slash, _ = bare.partition("/")
        has_host = slash and (first == "localhost" or set(first) & set(".:"))
        return cls.at_host(bare if has_host else f"{_DOCKER_HUB_HOST}/{bare}")

    @classmethod
    def at_host(cls, text: str) -> "Repository":
        """What is before the first slash is the host, whatever it looks like. Else as `parse`."""
        host, slash, name = text.removeprefix(SCHEME).rstrip("/").partition("/")
        if not slash or not _HOST.fullmatch(host):
            raise InvalidReference(f"'{text}' is no repository: it must be oci://HOST/REPOSITORY")
        last = name.rpartition("/")[2]
        if "@" in last or ":" in last:
            raise InvalidReference(f"URL must not contain a tag; remove '{last[min(map(last.find, _marks(last))) :]}'")
        host = _DOCKER_HUB.get(host, host)
        if host == _DOCKER_HUB_HOST and "/" not in name:
            name = f"library/{name}"
        if not _REPOSITORY.fullmatch(name):
            raise InvalidReference(f"'{text}' is no repository: '{name}' is not a valid repository name")
        return cls(host, name)

    @property
    def api_host(self) -> str:
        """Where requests go."""
        return "registry-1.docker.io" if self.host == _DOCKER_HUB_HOST else self.host

    @property
    def may_be_plain(self) -> bool:
        """Whether HTTP without TLS is usual there: this machine and private networks, as Go's registry clients have it."""
        name = self.host.rpartition(":")[0] if ":" in self.host.rpartition("]")[2] else self.host
        if name == "localhost" or name.endswith((".local", ".localhost")):
            return True
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or (address.version == 4 and address.is_private)

    def tagged(self, tag: str) -> "Reference":
        """Raises InvalidReference."""
        if not is_tag(tag):
            raise InvalidReference(f"'{tag}' is no valid tag")
        return Reference(self, tag=tag)

    def at(self, digest: str) -> "Reference":
        """Raises InvalidReference."""
        if not is_digest(digest):
            raise InvalidReference(f"'{digest}' is no digest: it must be sha256:HEX")
        return Reference(self, digest=digest)

    def __str__(self) -> str:
        return f"{self.host}/{self.name}"


@dataclass(frozen=True, slots=True)
class Reference:
    """One artifact: by tag, or by digest."""

    repository: Repository
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """`host/name`, `host/name:tag`, `host/name@digest`; neither means `latest`. Raises InvalidReference."""
        rest, at, digest = text.removeprefix(SCHEME).partition("@")
        head, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            head, tag = rest, ""
        repository = Repository.parse(head)
        if at:
            return replace(repository.at(digest), tag=tag)
        return repository.tagged(tag or "latest")

    @property
    def selector(self) -> str:
        """What the registry's API calls the reference."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"


def _marks(last: str) -> list[str]:
    return [mark for mark in "@:" if mark in last]
