"""Artifacts as archives: writing one from a tree, byte for byte the same for the same content, and unpacking one safely.

Format: source-kustomize.md 2.2. The digest covers compressed bytes, so the compressor (zlib, level 6) is part of the
format (SK2). Everything here blocks: call it in a thread.
"""

import gzip
import os
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from fleetloop.storage.ignore import IgnoreRules

_BLOCK = 512
_LEVEL = 6
_CHUNK = 1 << 20
_NAME_BYTES, _PATH_BYTES = 255, 3072  # what Linux takes, with room for the directory that we unpack into
MOST_LEVELS = 100  # of directories: deeper trees are beyond what Python walks
_HEADER_BYTES = 64 << 10  # of one member, all of its extensions
_ENTRY_BYTES = 4 << 10  # of a member's headers and padding, on average
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
NOTHING_IGNORED = IgnoreRules(())


class UnsafeArchive(Exception):
    """The archive holds what it must not, or more than we accept, or is none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes and entries after unpacking. A kernel's source has 1.3 GiB in 85,000 files; fleets have a thousandth of it."""

    total_bytes: int = 2 << 30
    entries: int = 250_000


STANDARD_LIMITS = Limits()


def write_tarball(tree: Path, out: BinaryIO, rules: IgnoreRules = NOTHING_IGNORED) -> None:
    """Regular files and directories in lexical order; links and devices are left out silently (SK9). Raises OSError."""
    with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=out, mtime=0) as archive:
        archive.write(_header(".", 0, 0o750, b"5"))
        for name, entry in _entries(tree, ""):
            if rules.ignores(name, is_directory=entry.is_dir(follow_symlinks=False)):
                continue
            if entry.is_dir(follow_symlinks=False):
                archive.write(_header(name, 0, 0o750, b"5"))
            else:
                _write_file(archive, name, entry.path)
        archive.write(bytes(2 * _BLOCK))


def _entries(folder: Path | str, prefix: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Depth first, names in byte order; a directory's content comes even when the directory is ignored (SK5)."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield name, entry
            yield from _entries(entry.path, name + "/")
        elif entry.is_file(follow_symlinks=False):
            yield name, entry


def _write_file(archive: gzip.GzipFile, name: str, path: str) -> None:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        found = os.fstat(file.fileno())
        archive.write(_header(name, found.st_size, 0o700 if found.st_mode & 0o111 else 0o600, b"0"))
        left = found.st_size
        while left and (chunk := file.read(min(left, _CHUNK))):
            archive.write(chunk)
            left -= len(chunk)
        if left:
            raise OSError(f"{name}: the file shrank while it was archived")
        archive.write(bytes(-found.st_size % _BLOCK))


def _header(name: str, size: int, mode: int, kind: bytes) -> bytes:
    """A ustar header, after a PAX one where the name does not fit."""
    raw = os.fsencode(name)
    prefix, base = _split(raw)
    if base is not None and raw.isascii():
        return _ustar(prefix, base, size, mode, kind)
    record = _pax_record(b"path", raw)
    directory, _, last = raw.rpartition(b"/")
    about = b"/".join(filter(None, [directory, b"PaxHeaders.0", last]))
    padded = record + bytes(-len(record) % _BLOCK)
    return _ustar(b"", _ascii(about), len(record), 0, b"x") + padded + _ustar(b"", _ascii(raw), size, mode, kind)


def _split(name: bytes) -> tuple[bytes, bytes | None]:
    """Prefix and name of at most 155 and 100 bytes, parted at a slash; no name when that is impossible."""
    if len(name) <= 100:
        return b"", name
    prefix, _, base = name[:156].rpartition(b"/")
    base += name[156:]
    return (prefix, base) if prefix and base and len(base) <= 100 else (b"", None)


def _ascii(name: bytes) -> bytes:
    return bytes(byte for byte in name if byte < 0x80)[:100].rstrip(b"/")


def _pax_record(key: bytes, value: bytes) -> bytes:
    """`<length> key=value\\n`, the length counting itself."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _ustar(prefix: bytes, name: bytes, size: int, mode: int, kind: bytes) -> bytes:
    if size >= 8**11:
        raise OSError(f"{os.fsdecode(name)}: the file is too large for an archive")
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, 0, 0, size, 0)
    before = name.ljust(100, b"\0") + numbers
    after = kind + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000\0" + prefix.ljust(155, b"\0") + bytes(12)
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return before + b"%06o\0 " % checksum + after


def unpack(archive: Path, into: Path, limits: Limits = STANDARD_LIMITS) -> None:
    """Unpacks a .tar.gz into the empty folder `into`. Raises UnsafeArchive, OSError.

    Nothing lands outside: no absolute or parent paths, no links of any kind, no devices, and no file twice.
    """
    budget = _Budget(limits)
    with _opened(archive, budget) as (tar, members):
        for member in members:
            _unpack_member(tar, member, into, budget)


def unpack_regular(archive: Path, into: Path, limits: Limits = STANDARD_LIMITS) -> None:
    """As `unpack`, for archives of others, which are packed anew: links and devices are left out silently, and of files that
    come twice the last one counts (3.5)."""
    budget = _Budget(limits)
    with _opened(archive, budget) as (tar, members):
        for member in members:
            if member.isreg():
                (into / _safe_name(member.name)).unlink(missing_ok=True)
            if member.isreg() or member.isdir():
                _unpack_member(tar, member, into, budget)


class _Budget:
    def __init__(self, limits: Limits) -> None:
        self._limits, self._bytes, self._entries = limits, 0, 0
        self.archive_bytes = limits.total_bytes + limits.entries * _ENTRY_BYTES

    def take(self, size: int = 0) -> None:
        """One entry more, of so many bytes."""
        self._entries += 1
        self._bytes += size
        if self._entries > self._limits.entries or self._bytes > self._limits.total_bytes:
            raise self.exceeded()

    def exceeded(self) -> UnsafeArchive:
        limits = f"{self._limits.entries} entries, {self._limits.total_bytes} bytes"
        return UnsafeArchive(f"archive is larger than we accept ({limits})")


class _Decompressed:
    """tarfile reads headers whole, whatever size they claim: here it gets a member's content and little more."""

    def __init__(self, stream: gzip.GzipFile, budget: _Budget) -> None:
        self._stream, self._budget, self._given = stream, budget, 0
        self.end = _HEADER_BYTES  # of what tarfile may have now

    def read(self, size: int) -> bytes:
        if self._given >= self._budget.archive_bytes:
            raise self._budget.exceeded()
        if self._given >= self.end:
            raise UnsafeArchive(f"archive holds headers larger than {_HEADER_BYTES} bytes")
        chunk = self._stream.read(size)
        self._given += len(chunk)
        return chunk


@contextmanager
def _opened(archive: Path, budget: _Budget) -> Iterator[tuple[tarfile.TarFile, Iterator[tarfile.TarInfo]]]:
    """The archive and its members. Raises UnsafeArchive for what reading it shows. tarfile's own gzip stream copies all that it
    has in hand at every read."""
    try:
        with gzip.open(archive) as raw:
            stream = _Decompressed(raw, budget)
            with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]  # it reads, and no more
                yield tar, _members(tar, stream, budget)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise UnsafeArchive(f"archive cannot be read: {error}") from None
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise UnsafeArchive(f"archive holds '{Path(error.filename).name}' as a file and as a directory") from None


def _members(tar: tarfile.TarFile, stream: _Decompressed, budget: _Budget) -> Iterator[tarfile.TarInfo]:
    """As they come; none is kept."""
    while member := tar.next():
        tar.members.clear()  # type: ignore[attr-defined]
        if member.size < 0 or member.issparse() or any(key.startswith("GNU.sparse") for key in member.pax_headers):
            raise UnsafeArchive(f"archive holds '{member.name[:200]}', whose size is not that of its content")
        budget.take(member.size)
        stream.end = tar.offset + _HEADER_BYTES  # where the next member begins
        yield member


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path, budget: _Budget) -> None:
    name = _safe_name(member.name)
    target = into / name
    if member.isdir():
        _make_parents(into, name, budget)
        target.mkdir(exist_ok=True)
        return
    if not member.isreg():
        raise UnsafeArchive(f"archive holds '{member.name[:200]}', which is neither a file nor a directory")
    content = tar.extractfile(member)
    assert content is not None  # a regular file has content
    mode = 0o700 if member.mode & stat.S_IXUSR else 0o600
    try:
        try:
            descriptor = os.open(target, _NEW_FILE, mode)
        except FileNotFoundError:  # most files lie beside another
            _make_parents(into, name, budget)
            descriptor = os.open(target, _NEW_FILE, mode)
    except FileExistsError:
        raise UnsafeArchive(f"archive holds '{member.name[:200]}' twice") from None
    with open(descriptor, "wb") as file:
        while chunk := content.read(_CHUNK):
            file.write(chunk)


def _make_parents(into: Path, name: PurePosixPath, budget: _Budget) -> None:
    """Those that are new count as entries: one long path makes many."""
    for folder in reversed(name.parents):
        try:
            (into / folder).mkdir()
        except FileExistsError:
            if not (into / folder).is_dir():
                raise
        else:
            budget.take()


def _safe_name(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
        raise UnsafeArchive(f"archive holds the unsafe path '{name[:200]}'")
    if len(os.fsencode(name)) > _PATH_BYTES or any(len(os.fsencode(part)) > _NAME_BYTES for part in path.parts):
        raise UnsafeArchive(f"archive holds a path that is too long for a file system: '{name[:200]}'")
    if len(path.parts) > MOST_LEVELS:
        raise UnsafeArchive(f"archive holds a path of more than {MOST_LEVELS} levels: '{name[:200]}'")
    return path
