"""`migrate` in files: manifests that name an old version of the API name the current one. The text is kept otherwise.

Works on lines, not on YAML, so that comments, order and templates survive. Unlike the peer (⚠ 48) it sees quoted values and
manifests whose kind comes first.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetloop.api.kinds import KINDS
from fleetloop.bootstrap.errors import InvalidPlan
from fleetloop.bootstrap.say import Say

SUPPORTED = ("2.9", "2.8", "2.7", "2.6")
_IMAGE_GROUP = "image.toolkit.fluxcd.io"
_PAIR = re.compile(r"""^(?P<indent>[ ]*(?:-[ ]+)*)["']?(?P<key>apiVersion|kind)["']?[ ]*:[ ]+["']?(?P<value>[^\s"'#]+)""")


@dataclass(frozen=True, slots=True)
class Upgrade:
    """One line to change; `line` counts from 1."""

    line: int
    kind: str
    old: str
    new: str


Targets = Mapping[tuple[str, str], str]
"""(old apiVersion, kind) -> the apiVersion it becomes."""


def targets_of(version: str) -> Targets:
    """For a release of Flux, such as 2.9; "" for the newest. Raises InvalidPlan."""
    if version and version not in SUPPORTED:
        raise InvalidPlan(f"version {version} is not supported, supported versions are: {', '.join(SUPPORTED)}")
    found = {}
    for kind in KINDS:
        # image automation became v1 with 2.7
        newest = "v1beta2" if version == "2.6" and kind.group == _IMAGE_GROUP else kind.version
        for old in kind.deprecated_versions:
            if old != newest:
                found[f"{kind.group}/{old}", kind.kind] = f"{kind.group}/{newest}"
    return found


def upgrades_in(text: str, targets: Targets) -> list[Upgrade]:
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines):
        pair = _PAIR.match(line)
        if pair is None or pair["key"] != "apiVersion":
            continue
        kind = _kind_beside(lines, number, len(pair["indent"]))
        if new := targets.get((pair["value"], kind)):
            found.append(Upgrade(number + 1, kind, pair["value"], new))
    return found


def upgraded(text: str, upgrades: Sequence[Upgrade]) -> str:
    lines = text.splitlines(keepends=True)
    for upgrade in upgrades:
        lines[upgrade.line - 1] = lines[upgrade.line - 1].replace(upgrade.old, upgrade.new, 1)
    return "".join(lines)


def manifests_below(path: Path, root: Path, extensions: Sequence[str], say: Say) -> Iterator[Path]:
    """Files to look at, sorted. Raises InvalidPlan for a path outside `root`, for none, and for a file of another extension."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise InvalidPlan(f"path {path} must be inside the working directory")
    if not path.exists():
        raise InvalidPlan(f"path {path} does not exist")
    if path.is_file() and not path.is_symlink():
        if path.suffix not in extensions:
            raise InvalidPlan(f"file {path} does not match the specified extensions: {', '.join(extensions)}")
        yield path
        return
    for entry in sorted(path.rglob("*")):
        if entry.suffix not in extensions or entry.is_dir():
            continue
        if entry.is_symlink() or not entry.is_file():
            say.warning(f"skipping irregular file {entry}")
        else:
            yield entry


def _kind_beside(lines: Sequence[str], number: int, indent: int) -> str:
    """The kind in the same mapping: below the apiVersion, or above it."""
    for step in (1, -1):
        at = number + step
        while 0 <= at < len(lines) and not _ends_mapping(lines[at], indent, lines[at - step], step):
            pair = _PAIR.match(lines[at])
            if pair and pair["key"] == "kind" and len(pair["indent"]) == indent:
                return pair["value"]
            at += step
    return ""


def _ends_mapping(line: str, indent: int, before: str, step: int) -> bool:
    """Another document, less indentation, or (downwards: this line, upwards: the one before) the start of a list's item."""
    if line.startswith("---"):
        return True
    starts_item = line if step > 0 else before
    dashes = re.match(r"[ ]*(?:-[ ]+)+", starts_item)
    if dashes and len(dashes[0]) <= indent:
        return True
    content = line.lstrip(" -")
    return bool(content) and not content.startswith("#") and len(line) - len(content) < indent
