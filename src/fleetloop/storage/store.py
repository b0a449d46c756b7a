"""The artifact store: files that sources produce and other controllers download.

Everything blocks: call it in a thread. A file appears complete or not at all, so readers need no lock. A writer holds
`<file>.lock`: of one process there is only one for a path, but another process may have the same volume.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fleetloop.storage.digest import algorithm_of, check_algorithm, digest_of

LATEST = "latest.tar.gz"
_NEW, _LOCK = ".new-", ".lock"


class UnsafePath(Exception):
    """A path that leads out of the store."""


class DigestMismatch(Exception):
    """The stored bytes are not those that were written."""


class ArtifactLocked(Exception):
    """Another process writes this file now."""


class NotStored(Exception):
    """There is no such file."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the store. `path`: relative, with `/`. `written_at`: seconds since 1970. `digest`: "" if not computed."""

    path: str
    written_at: float
    size: int
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Retention:
    """`ttl`: seconds. `records`: number of files."""

    ttl: float
    records: int


def garbage(files: Sequence[Stored], current: str, now: float, retention: Retention) -> list[str]:
    """Paths to delete: older than the retention's time, or beyond its newest files. Never `current`, which counts (SK6)."""
    newest_first = sorted(files, key=lambda file: (file.path == current, file.written_at), reverse=True)
    return [
        file.path
        for rank, file in enumerate(newest_first)
        if file.path != current and (rank >= retention.records or now - file.written_at > retention.ttl)
    ]


class ArtifactStore:
    """Files below `root`, as `<kind>/<namespace>/<name>/<file>`."""

    def __init__(self, root: Path, algorithm: str = "sha256") -> None:
        """Raises UnsupportedDigest."""
        check_algorithm(algorithm)
        self.root = root.resolve()
        self._algorithm = algorithm

    def write(self, path: str, fill: Callable[[BinaryIO], None]) -> Stored:
        """Writes what `fill` writes. Raises ArtifactLocked, UnsafePath, OSError, what `fill` raises."""
        target = self._inside(path)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(target), tempfile.NamedTemporaryFile(dir=target.parent, prefix=_NEW, delete=False) as new:
            try:
                fill(new)  # type: ignore[arg-type]
                new.flush()
                digest = digest_of(Path(new.name), self._algorithm)  # of the bytes as served
                os.replace(new.name, target)
            except BaseException:
                os.unlink(new.name)
                raise
        return self._stored(target, digest)

    def make_folder(self, folder: str) -> None:
        """Raises UnsafePath, OSError."""
        self._inside(folder).mkdir(parents=True, exist_ok=True, mode=0o700)

    def find(self, path: str) -> Stored | None:
        """The file at `path` if it is a regular file, without its digest. Raises UnsafePath."""
        target = self._inside(path)
        return self._stored(target) if target.is_file() and not (self.root / path).is_symlink() else None

    def verify(self, path: str, digest: str) -> None:
        """Hashes the file again. Raises NotStored, DigestMismatch, UnsupportedDigest, UnsafePath, OSError."""
        if self.find(path) is None:
            raise NotStored(f"artifact file {path} does not exist")
        found = digest_of(self._inside(path), algorithm_of(digest))
        if found != digest:
            raise DigestMismatch(f"computed digest '{found}' of {path} doesn't match '{digest}'")

    def remove(self, path: str) -> None:
        """Removes one file; one that is not there is fine. Raises UnsafePath, OSError."""
        self._inside(path).unlink(missing_ok=True)

    def remove_folder(self, folder: str) -> None:
        """Removes `<kind>/<namespace>/<name>` with everything in it. Raises UnsafePath, OSError."""
        target = self._inside(folder)
        if target == self.root or target.parent.parent.parent != self.root:
            raise UnsafePath(f"{folder} is not the folder of one object")
        if target.exists():
            shutil.rmtree(target)

    def collect(self, folder: str, current: str, now: float, retention: Retention) -> list[str]:
        """Deletes the garbage of one object's folder and tells what went. Raises UnsafePath, OSError."""
        gone = garbage(list(self._files(folder)), current, now, retention)
        for path in gone:
            self.remove(path)
            self.remove(path + _LOCK)  # left by the Go implementation, or by a writer that was killed
        return gone

    def link(self, path: str, name: str = LATEST) -> str:
        """Makes the symlink `name` beside `path` point to it, at once. Gives the link's path. Raises UnsafePath, OSError."""
        target = self._inside(path)
        link = target.parent / name
        new = target.parent / f"{_NEW}{name}"
        new.unlink(missing_ok=True)
        new.symlink_to(target.name)
        os.replace(new, link)
        return str(link.relative_to(self.root))

    def free(self, limit: float) -> list[str]:
        """Removes what writers left that died before `limit` (seconds since 1970). For a start. Raises OSError."""
        left = [path for path in self.root.rglob(f"{_NEW}*") if path.lstat().st_mtime < limit]
        for path in left:
            path.unlink(missing_ok=True)
        return [str(path.relative_to(self.root)) for path in left]

    def _files(self, folder: str) -> Iterable[Stored]:
        target = self._inside(folder)
        if not target.is_dir():
            return
        with os.scandir(target) as entries:
            for entry in entries:
                skipped = entry.name.endswith(_LOCK) or entry.name.startswith(_NEW)
                if entry.is_file(follow_symlinks=False) and not skipped:
                    yield self._stored(Path(entry.path))

    def _stored(self, target: Path, digest: str = "") -> Stored:
        found = target.stat()
        return Stored(target.relative_to(self.root).as_posix(), found.st_mtime, found.st_size, digest)

    def _inside(self, path: str) -> Path:
        target = (self.root / path).resolve()
        if not target.is_relative_to(self.root):
            raise UnsafePath(f"{path} leads out of the store")
        return target


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """The file goes with the lock. Nobody waits for one, so nobody is left holding a file that is no more."""
    lock = f"{target}{_LOCK}"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArtifactLocked(f"{target.name} is being written by another process") from None
        try:
            yield
        finally:
            os.unlink(lock)
    finally:
        os.close(descriptor)
