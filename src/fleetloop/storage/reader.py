"""Reading artifacts: downloaded, verified, unpacked once per digest, and shared by all who read the same one.

The cache is a private folder, empty at start, keyed by digest; what is read by somebody is never evicted. Trees are
shared, so a reader must not change them.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import aiohttp

from fleetloop.removal import remove_tree
from fleetloop.storage.digest import algorithm_of, new_digest
from fleetloop.storage.tarball import STANDARD_LIMITS, Limits, unpack

_CHUNK = 1 << 16
FILE = "artifact.tgz"  # in the trees of `keep_file`


class ArtifactMissing(Exception):
    """The server has no such file (any more); a newer artifact will be along."""


class ArtifactUnreachable(Exception):
    """The server did not answer, or with an error."""


class ArtifactCorrupt(Exception):
    """The bytes served are not those the digest names."""


class ArtifactTooLarge(Exception):
    """The file is larger than we accept."""


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """`hosts`: how the host of a URL begins -> host[:port] to use instead, the first that fits. `timeout`: seconds for one
    download. `kept_bytes`: unpacked."""

    hosts: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 60.0
    max_bytes: int = 1 << 30
    limits: Limits = STANDARD_LIMITS
    kept_bytes: int = 2 << 30


STANDARD = ReaderSettings()


def hosts_of(environment: Mapping[str, str]) -> dict[str, str]:
    """For `ReaderSettings.hosts`: for controllers that run outside of the cluster that they serve."""
    watcher, controller = environment.get("SOURCE_WATCHER_LOCALHOST", ""), environment.get("SOURCE_CONTROLLER_LOCALHOST", "")
    return {"source-watcher": watcher, "": controller}


@dataclass(slots=True)
class _Entry:
    """One digest in the cache. The lock makes the first reader fetch while the others wait."""

    tree: Path
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    readers: int = 0
    size: int | None = None  # bytes once it is there


class ArtifactReader:
    """One per process; one event loop owns it."""

    def __init__(
        self, folder: Path, http: aiohttp.ClientSession, settings: ReaderSettings = STANDARD, keep: "Keep | None" = None
    ) -> None:
        """`keep` makes of the downloaded file what `open` gives: its unpacked tree unless told otherwise."""
        self._folder, self._http, self._settings, self._keep = folder, http, settings, keep or _unpack_whole
        self._entries: dict[str, _Entry] = {}  # least recently used first
        self._numbers = itertools.count()  # a tree that is going never meets its successor

    @asynccontextmanager
    async def open(self, url: str, digest: str) -> AsyncIterator[Path]:
        """The unpacked tree of an artifact, for reading only and only within the context.

        Raises ArtifactMissing, ArtifactUnreachable, ArtifactCorrupt, ArtifactTooLarge, UnsafeArchive, UnsupportedDigest.
        """
        algorithm_of(digest)
        name = f"{digest.replace(':', '-')}.{next(self._numbers)}"
        entry = self._entries.pop(digest, None) or _Entry(self._folder / name)
        self._entries[digest] = entry  # now the most recently used
        entry.readers += 1
        try:
            async with entry.lock:
                if entry.size is None:
                    entry.size = await self._bring(url, digest, entry.tree)
            yield entry.tree
        finally:
            entry.readers -= 1
            await self._evict()

    async def _bring(self, url: str, digest: str, tree: Path) -> int:
        archive = tree.with_name(tree.name + ".tar.gz")
        try:
            await self._download(url, digest, archive)
            return await asyncio.to_thread(self._keep, archive, tree, self._settings.limits)
        finally:
            archive.unlink(missing_ok=True)

    async def _download(self, url: str, digest: str, into: Path) -> None:
        """Raises what `open` names for a download."""
        hashed = new_digest(algorithm_of(digest))
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout)
        address = redirected(url, self._settings.hosts)
        url = shown(url)
        try:
            async with self._http.get(address, timeout=timeout, auto_decompress=False, allow_redirects=False) as answer:
                _check_status(answer, url)
                size = 0
                with await asyncio.to_thread(_create, into) as file:
                    async for chunk in answer.content.iter_chunked(_CHUNK):
                        size += len(chunk)
                        if size > self._settings.max_bytes:
                            raise ArtifactTooLarge(f"{url}: the artifact is larger than {self._settings.max_bytes} bytes")
                        hashed.update(chunk)
                        file.write(chunk)
        except (aiohttp.ClientError, TimeoutError) as error:
            problem = "" if isinstance(error, aiohttp.InvalidURL) else str(error)  # which quotes it
            raise ArtifactUnreachable(f"{url}: {problem or type(error).__name__}") from None
        found = f"{algorithm_of(digest)}:{hashed.hexdigest()}"
        if found != digest:
            raise ArtifactCorrupt(f"{url}: computed digest '{found}' doesn't match '{digest}'")

    async def _evict(self) -> None:
        """Oldest first until what is kept fits; entries that failed go at once."""
        kept = sum(entry.size or 0 for entry in self._entries.values())
        for digest, entry in list(self._entries.items()):
            if entry.readers or (entry.size is not None and kept <= self._settings.kept_bytes):
                continue
            kept -= entry.size or 0
            del self._entries[digest]
            await asyncio.to_thread(remove_tree, entry.tree)


def redirected(url: str, hosts: Mapping[str, str]) -> str:
    """The URL with its host replaced as `hosts` says."""
    parts = urlsplit(url)
    other = next((other for start, other in hosts.items() if (parts.hostname or "").startswith(start)), "")
    return parts._replace(netloc=other).geturl() if other else url


def shown(url: str) -> str:
    """Without what may be a secret: user info and query."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}".partition("?")[0]


def _check_status(answer: aiohttp.ClientResponse, url: str) -> None:
    if answer.status == 404:
        raise ArtifactMissing(f"{url}: artifact not found")
    if answer.status != 200:
        raise ArtifactUnreachable(f"{url}: the artifact server answered {answer.status}")


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path.open("wb")


Keep = Callable[[Path, Path, Limits], int]  # file, tree, limits -> bytes on disk; all or nothing


def keep_file(file: Path, tree: Path, limits: Limits) -> int:
    """The file itself, as the only one of its tree: for charts."""
    remove_tree(tree)
    tree.mkdir(mode=0o700)
    size = file.stat().st_size
    os.replace(file, tree / FILE)
    return size


def _unpack_whole(archive: Path, tree: Path, limits: Limits) -> int:
    """All or nothing. Gives the bytes on disk."""
    remove_tree(tree)
    try:
        tree.mkdir(mode=0o700)
        unpack(archive, tree, limits)
    except BaseException:
        remove_tree(tree)
        raise
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(tree) for name in names)
