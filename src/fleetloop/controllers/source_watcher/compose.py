"""Copies files of sources to where an artifact wants them. Blocking: call it in a thread. Flux: source-kustomize.md 7.2.

Sources are unpacked artifacts, which hold no links; destinations stay inside the artifact.
"""

import os
import shutil
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from fleetloop.api.source_extensions import CopyOperation
from fleetloop.api.yaml import load_all
from fleetloop.controllers.source_watcher.globs import Glob, has_glob
from fleetloop.storage.tarball import MOST_LEVELS, Limits, UnsafeArchive, unpack

EXTRACTED = Limits(total_bytes=100 << 20, entries=50_000)
ARCHIVES = (".tar.gz", ".tgz")
REST = "/**"


class ComposeError(Exception):
    """A copy that cannot be made; the message names the operation."""


def compose(operations: Sequence[CopyOperation], sources: Mapping[str, Path], into: Path) -> None:
    """Raises ComposeError, OSError. `sources` by alias."""
    for operation in operations:
        try:
            _copy(operation, sources, into)
        except (ValueError, UnsafeArchive, yaml.YAMLError) as error:
            raise ComposeError(f"copy from '{operation.from_}' to '{operation.to}': {error}") from error


def name_of(tree: Path, artifact: str) -> str:
    """SK19: the artifact's file name: adler32 over the sorted lines of every file's adler32 and path."""
    lines = []
    for path in tree.rglob("*"):
        if path.is_file():
            checksum = zlib.adler32(path.read_bytes())
            lines.append(f"{checksum:08x}  {artifact}/{path.relative_to(tree).as_posix()}\n")
    return f"{zlib.adler32(''.join(sorted(lines)).encode())}.tar.gz"


def _copy(operation: CopyOperation, sources: Mapping[str, Path], into: Path) -> None:
    alias, _, wanted = operation.from_.removeprefix("@").partition("/")
    source = sources[alias]
    target = operation.to.removeprefix("@artifact/")
    pairs = [
        (path, place)
        for path, place in _pairs(source, wanted, target, into, deep=operation.strategy == "Extract")
        if not _is_excluded(path, wanted, operation.exclude)
    ]
    if not pairs:
        raise ValueError(f"no files match '{wanted}'")
    for path, place in pairs:
        _place(source / path, _inside(into, place), operation.strategy or "Overwrite")


def _pairs(source: Path, wanted: str, target: str, into: Path, *, deep: bool) -> Iterable[tuple[str, str]]:
    """Which file goes where, both relative."""
    if wanted.endswith(REST) and not has_glob(wanted.removesuffix(REST)):
        folder = wanted.removesuffix(REST)
        for path in _files(source, folder):
            yield path, f"{target}/{PurePosixPath(path).relative_to(folder)}"
        return
    if not has_glob(wanted):
        yield from _exactly(source, wanted, target, into)
        return
    glob = Glob(wanted, deep=deep)
    for path in _files(source, ""):
        if match := next((one for one in _with_folders(path) if glob.matches(one)), ""):
            del match  # a folder that matches brings everything in it
            yield path, f"{target}/{path}"


def _exactly(source: Path, wanted: str, target: str, into: Path) -> Iterable[tuple[str, str]]:
    found = source / _safe(wanted)
    if found.is_file():
        is_folder = target == "" or target.endswith("/") or (into / _safe(target)).is_dir()
        yield wanted, f"{target}/{found.name}" if is_folder else target
        return
    if not found.is_dir():
        raise ValueError(f"'{wanted}' does not exist")
    for path in _files(source, wanted):
        yield path, f"{target}/{found.name}/{PurePosixPath(path).relative_to(wanted)}"


def _files(source: Path, folder: str) -> list[str]:
    """Relative to the source, in order."""
    root, found = source / _safe(folder), []
    for place, _, names in os.walk(root):
        found += [Path(place, name).relative_to(source).as_posix() for name in names]
    return sorted(found)


def _with_folders(path: str) -> list[str]:
    """`a/b/c` -> itself, and the folders it is in."""
    return [path, *(str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")]


def _is_excluded(path: str, wanted: str, patterns: Sequence[str]) -> bool:
    """By the whole path, the path below the fixed part of `from`, or the name alone."""
    fixed = "/".join(part for part in _fixed(wanted))
    below = path.removeprefix(f"{fixed}/") if fixed else path
    name = PurePosixPath(path).name
    return any(
        Glob(pattern, deep=True).matches(path)
        or Glob(pattern, deep=True).matches(below)
        or ("/" not in pattern and Glob(pattern).matches(name))
        for pattern in patterns
    )


def _fixed(wanted: str) -> list[str]:
    parts = []
    for part in PurePosixPath(wanted).parts:
        if has_glob(part):
            break
        parts.append(part)
    return parts


def _place(source: Path, target: Path, strategy: str) -> None:
    if strategy == "Extract":
        if not source.name.endswith(ARCHIVES):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        unpack(source, target.parent, EXTRACTED)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if strategy == "Merge" and target.is_file():
        merged = _deep(_one_map(target), _one_map(source))
        target.write_text(yaml.safe_dump(merged, sort_keys=True))
        return
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.stat().st_mode & 0o111 else 0o644)


def _one_map(path: Path) -> dict[str, Any]:
    """All documents of a file, one over the other."""
    result: dict[str, Any] = {}
    for document in load_all(path.read_bytes()):
        if document is not None:
            if not isinstance(document, dict):
                raise ValueError(f"'{path.name}' holds a document that is no map")
            result = _deep(result, document)
    return result


def _deep(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        below = out.get(key)
        out[key] = _deep(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return out


def _safe(path: str) -> PurePosixPath:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\0" in path:
        raise ValueError(f"path '{path}' leads out")
    if len(parts.parts) > MOST_LEVELS:
        raise ValueError(f"path '{path[:200]}' has more than {MOST_LEVELS} levels")
    return parts


def _inside(into: Path, place: str) -> Path:
    return into / _safe(place.lstrip("/"))
