"""What all sources do with the artifact store: check what is there, collect garbage, write, and say where it is served.

Flux: source-kustomize.md 2.1, 2.4.
"""

import asyncio
import datetime
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from fleetloop.api import reasons
from fleetloop.api.meta import Artifact, Key, Object
from fleetloop.controllers.source.failures import SourceFailure, StorageOperationFailed
from fleetloop.removal import remove_tree
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.controller import Report
from fleetloop.runtime.log import logger
from fleetloop.storage.digest import UnsupportedDigest
from fleetloop.storage.store import ArtifactLocked, ArtifactStore, DigestMismatch, NotStored, Retention, Stored, UnsafePath

_COLLECTION_TIMEOUT = 5.0  # seconds


class Storage:
    """The store as the sources of one controller use it. `advertised`: what URLs begin with."""

    def __init__(self, store: ArtifactStore, advertised: str, retention: Retention) -> None:
        self._store, self._advertised, self._retention = store, advertised, retention

    async def check(self, obj: Object, artifact: Artifact | None, report: Report) -> Artifact | None:
        """The artifact under today's URL if its file is there and intact. A damaged file is removed."""
        if artifact is None:
            return None
        await self._collect(obj, artifact, report)
        try:
            await asyncio.to_thread(self._store.verify, _path_of(obj, artifact), artifact.digest)
        except NotStored:
            return None
        except (DigestMismatch, UnsupportedDigest, UnsafePath) as error:
            message = f"failed to verify integrity of artifact: {error}"
            report.event("Warning", reasons.ARTIFACT_VERIFICATION_FAILED, message)
            if not isinstance(error, UnsafePath):
                await asyncio.to_thread(self._store.remove, artifact.path)
            return None
        except OSError as error:
            raise StorageOperationFailed(reasons.STAT_OPERATION_FAILED, f"failed to read artifact: {error.strerror}") from error
        url = self.url(artifact.path)
        return artifact if artifact.url == url else msgspec.structs.replace(artifact, url=url)

    async def write(self, obj: Object, name: str, revision: str, fill: Callable[[BinaryIO], None]) -> Artifact:
        """Stores what `fill` writes as the object's file `name`. Raises StorageOperationFailed."""
        try:
            await asyncio.to_thread(self._store.make_folder, folder_of(obj))
        except OSError as error:
            message = f"failed to create artifact directory: {error.strerror}"
            raise StorageOperationFailed(reasons.DIRECTORY_CREATION_FAILED, message) from error
        try:
            stored = await asyncio.to_thread(self._store.write, f"{folder_of(obj)}/{name}", fill)
        except OSError as error:
            message = f"unable to archive artifact to storage: {error.strerror or error}"
            raise StorageOperationFailed(reasons.ARCHIVE_OPERATION_FAILED, message) from error
        except ArtifactLocked as error:
            message = f"failed to acquire lock for artifact: {error}"
            raise StorageOperationFailed(reasons.FAILED, message) from error
        return self._artifact(stored, revision)

    async def remove(self, obj: Object) -> None:
        """Everything the object ever stored. Raises SourceFailure, which keeps the finalizer."""
        try:
            await asyncio.to_thread(self._store.remove_folder, folder_of(obj))
        except OSError as error:
            message = f"garbage collection for deleted resource failed: {error.strerror}"
            raise SourceFailure(reasons.GARBAGE_COLLECTION_FAILED, message) from error

    async def link(self, artifact: Artifact, name: str) -> str:
        """The URL of the symlink `name` in the object's folder, which leads to the artifact now."""
        try:
            path = await asyncio.to_thread(self._store.link, artifact.path, name)
        except OSError as error:
            message = f"failed to update status URL symlink: {error.strerror or error}"
            raise StorageOperationFailed(reasons.SYMLINK_UPDATE_FAILED, message) from error
        return self.url(path)

    def has(self, owner: Object | Key, artifact: Artifact) -> bool:
        """Whether the owner's file is here; nothing is said of its content."""
        try:
            return self._store.find(_path_of(owner, artifact)) is not None
        except UnsafePath:
            return False

    def file_of(self, owner: Object | Key, artifact: Artifact) -> Path:
        """Where the owner's artifact lies on disk. Raises StorageOperationFailed for one that cannot be its own."""
        try:
            return self._store.root / _path_of(owner, artifact)
        except UnsafePath as error:
            raise StorageOperationFailed(reasons.ILLEGAL_PATH, str(error)) from error

    def url(self, path: str) -> str:
        return f"{self._advertised}/{path}"

    async def _collect(self, obj: Object, artifact: Artifact, report: Report) -> None:
        """Never a reason to fail: what stays is collected next time."""
        try:
            async with asyncio.timeout(_COLLECTION_TIMEOUT):
                arguments = (folder_of(obj), artifact.path, utc_now().timestamp(), self._retention)
                gone = await asyncio.to_thread(self._store.collect, *arguments)
        except (OSError, TimeoutError, UnsafePath) as error:
            logger().error("garbage not collected", error=str(error))
            return
        if gone:
            report.event("Trace", reasons.GARBAGE_COLLECTION_SUCCEEDED, f"garbage collected {len(gone)} artifacts")

    def _artifact(self, stored: Stored, revision: str) -> Artifact:
        written = datetime.datetime.fromtimestamp(int(stored.written_at), datetime.UTC)
        url = self.url(stored.path)
        path, digest, size = stored.path, stored.digest, stored.size
        return Artifact(digest=digest, last_update_time=written, path=path, revision=revision, url=url, size=size)


@asynccontextmanager
async def work_folder(parent: Path | None) -> AsyncIterator[Path]:
    """A private folder for the time of a pass. Raises StorageOperationFailed."""
    try:
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="source-", dir=parent))
    except OSError as error:
        message = f"failed to create temporary working directory: {error.strerror}"
        raise StorageOperationFailed(reasons.DIRECTORY_CREATION_FAILED, message) from error
    try:
        yield folder
    finally:
        await asyncio.to_thread(remove_tree, folder)


def _path_of(owner: Object | Key, artifact: Artifact) -> str:
    """Statuses may be written by tenants: one names no other's file. Raises UnsafePath."""
    folder, _, name = artifact.path.rpartition("/")
    if folder != folder_of(owner) or name in {"", ".", ".."}:
        raise UnsafePath(f"'{artifact.path[:300]}' is no artifact of {owner.kind} '{owner.namespace}/{owner.name}'")
    return artifact.path


def folder_of(obj: Object | Key) -> str:
    """`gitrepository/<namespace>/<name>`."""
    return f"{obj.kind.lower()}/{obj.namespace}/{obj.name}"
