"""Revisions as sources report them: a name, a digest, or both (`main@sha1:5c3…`). Nothing here looks inside Git."""

import re
from dataclasses import dataclass

_DIGEST = re.compile(r"([a-z0-9]+(?:[.+_-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)", re.ASCII)
_LEGACY = re.compile(r"(.+)/([0-9a-f]{40}|[0-9a-f]{64})", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Revision:
    """`name` is a branch, tag, full reference or version; `algorithm` and `hex` are the digest. Each may be empty."""

    name: str = ""
    algorithm: str = ""
    hex: str = ""

    @property
    def digest(self) -> str:
        return f"{self.algorithm}:{self.hex}" if self.hex else ""

    def __str__(self) -> str:
        return "@".join(filter(None, [self.name, self.digest]))


def revision_of(text: str) -> Revision:
    """Reads every form in use; what has no digest is a name (a chart's version).

    `main/<hex>` and a bare `<hex>` are what sources before source.toolkit.fluxcd.io/v1beta2 reported.
    """
    name, _, digest = text.rpartition("@")
    if found := _DIGEST.fullmatch(digest):
        return Revision(name, found[1], found[2])
    if old := _LEGACY.fullmatch(text):
        return Revision(old[1], _algorithm(old[2]), old[2])
    if _HEX.fullmatch(text):
        return Revision("", _algorithm(text), text)
    return Revision(text)


def _algorithm(hex: str) -> str:
    return "sha1" if len(hex) == 40 else "sha256"
