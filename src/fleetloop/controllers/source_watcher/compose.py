"""Copies files of sources to where an artifact wants them. Blocking: call it in a thread. Flux: source-kustomize.md 7.2.

Sources are unpacked artifacts, which hold no links; destinations stay inside the artifact.
"""

import itertools
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fleetloop.api.source_extensions import CopyOperation
from fleetloop.api.yaml import dump, load_all
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
        except (ValueError, UnsafeArchive) as error:
            raise ComposeError(f"copy from '{operation.from_}' to '{operation.to}': {error}") from error


def name_of(tree: Path, artifact: str) -> str:
    """SK19: the artifact's file name: adler32 over lines of every file's adler32 and path, in the order of the paths."""
    files = {os.fsencode(path): zlib.adler32((tree / path).read_bytes()) for path in _files(tree, "")}
    lines = [b"%x  %s/%s\n" % (checksum, artifact.encode(), path) for path, checksum in sorted(files.items())]
    return f"{zlib.adler32(b''.join(lines))}.tar.gz"


@dataclass(frozen=True, slots=True)
class _Found:
    """A file to copy. `path`: in its source; `depth`: of the folder there that excludes begin below. `place`: in the artifact."""

    path: str
    depth: int
    place: str


def _copy(operation: CopyOperation, sources: Mapping[str, Path], into: Path) -> None:
    alias, _, wanted = operation.from_.removeprefix("@").partition("/")
    source, target = sources[alias], operation.to.removeprefix("@artifact/")
    strategy = operation.strategy or "Overwrite"
    if strategy == "Extract" and not has_glob(wanted) and not _is_archive(wanted):
        raise ValueError(f"'{wanted}' is no archive, whose name ends with {' or '.join(ARCHIVES)}")
    excludes, fixed = [(one, Glob(one, deep=True)) for one in operation.exclude], _fixed(wanted)
    found = [one for one in _found(source, wanted, target, into, strategy) if not _is_excluded(one, fixed, excludes)]
    if not found:
        raise ValueError(f"no files match '{wanted}'")
    for one in found:
        if strategy != "Extract":
            _place(source / one.path, _inside(into, one.place), strategy)
        elif _is_archive(one.path):
            _extract(source / one.path, _inside(into, target))


def _found(source: Path, wanted: str, target: str, into: Path, strategy: str) -> Iterable[_Found]:
    folder = wanted.removesuffix(REST)
    if wanted.endswith(REST) and not has_glob(folder):
        for path in _files(source, folder):
            yield _Found(path, len(PurePosixPath(folder).parts), f"{target}/{PurePosixPath(path).relative_to(folder)}")
        return
    if not has_glob(wanted):
        yield from _exactly(source, PurePosixPath(wanted), target, into)
        return
    glob = Glob(wanted, deep=strategy == "Extract")
    for path in _files(source, ""):
        candidates = [path] if strategy == "Extract" else _with_folders(path)  # a folder that matches brings everything in it
        if match := next((one for one in candidates if glob.matches(one)), ""):
            yield _Found(path, match.count("/"), f"{target}/{path}")


def _exactly(source: Path, wanted: PurePosixPath, target: str, into: Path) -> Iterable[_Found]:
    found = source / _safe(str(wanted))
    if found.is_file():
        is_folder = target == "" or target.endswith("/") or (into / _safe(target)).is_dir()
        yield _Found(str(wanted), len(wanted.parts) - 1, f"{target}/{found.name}" if is_folder else target)
        return
    if not found.is_dir():
        raise ValueError(f"'{wanted}' does not exist")
    for path in _files(source, str(wanted)):
        yield _Found(path, len(wanted.parts), f"{target}/{PurePosixPath(path).relative_to(wanted.parent)}")


def _files(source: Path, folder: str) -> list[str]:
    """Relative to the source, in order."""
    root, found = source / _safe(folder), []
    for place, _, names in os.walk(root):
        found += [Path(place, name).relative_to(source).as_posix() for name in names]
    return sorted(found)


def _with_folders(path: str) -> list[str]:
    """`a/b/c` -> itself, and the folders it is in."""
    return [path, *(str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")]


def _is_excluded(found: _Found, fixed: str, patterns: Sequence[tuple[str, Glob]]) -> bool:
    """It or a folder on the way: by the whole path, the path below the fixed part of `from`, or the name alone."""
    return any(
        glob.matches(one)
        or glob.matches(one.removeprefix(f"{fixed}/"))
        or ("/" not in pattern and glob.matches(one.rpartition("/")[2]))
        for one in _with_folders(found.path)
        if one.count("/") >= found.depth
        for pattern, glob in patterns
    )


def _fixed(wanted: str) -> str:
    return "/".join(itertools.takewhile(lambda part: not has_glob(part), PurePosixPath(wanted).parts))


def _is_archive(path: str) -> bool:
    return path.lower().endswith(ARCHIVES)


def _extract(archive: Path, into: Path) -> None:
    """Over what is there already."""
    with tempfile.TemporaryDirectory(prefix="extract-") as folder:
        unpack(archive, Path(folder), EXTRACTED)
        shutil.copytree(folder, into, dirs_exist_ok=True)


def _place(source: Path, target: Path, strategy: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if strategy == "Merge" and target.is_file():
        merged = _deep(_one_map(target), _one_map(source))
        target.write_bytes(dump(merged).encode())
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
