"""Reading a bucket: its keys and their ETags, the revision they make, and their content in a folder.

Flux: source-kustomize.md 4.2, 4.3 (SK13).
"""

import asyncio
import errno
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fleetloop.bucket.errors import BucketError, BucketNotFound, UnsafeKey, scrubbed
from fleetloop.task_group import TaskGroup

Listing = Mapping[str, str]  # key -> ETag
AT_A_TIME = 32
MOST_OBJECTS = 100_000
MOST_LEVELS = 100  # of folders in a key
LARGEST_SMALL = 1 << 20  # bytes of a file that is read whole


@dataclass(frozen=True, slots=True)
class Opened:
    """A bucket that can be read."""

    store: Any
    name: str


async def read_object(bucket: Opened, key: str) -> bytes | None:
    """A small object; None when there is none. Raises BucketError."""
    try:
        found = await bucket.store.get_async(key)
        if found.meta["size"] > LARGEST_SMALL:
            raise BucketError(f"'{key}' is larger than {LARGEST_SMALL} bytes")
        return bytes(await found.bytes_async())
    except FileNotFoundError:
        return None
    except BucketError:
        raise
    except Exception as error:
        raise _failure(bucket, error) from None


async def list_objects(bucket: Opened, prefix: str, wanted: Callable[[str], bool]) -> dict[str, str]:
    """The kept keys and their ETags. Raises BucketError, BucketNotFound."""
    found: dict[str, str] = {}
    folder = prefix.rpartition("/")[0]  # the library knows no prefix that ends within a name
    try:
        async for chunk in bucket.store.list(prefix=folder or None):
            found |= await asyncio.to_thread(_kept, chunk, lambda key: key.startswith(prefix) and wanted(key))
            if len(found) > MOST_OBJECTS:
                raise BucketError(f"bucket '{bucket.name}' has more than {MOST_OBJECTS} objects")
    except BucketError:
        raise
    except Exception as error:
        raise _failure(bucket, error) from None
    return found


def _kept(chunk: Iterable[Mapping[str, Any]], wanted: Callable[[str], bool]) -> dict[str, str]:
    keys = {str(meta["path"]): etag_of(meta) for meta in chunk}
    return {key: etag for key, etag in keys.items() if not key.endswith("/") and wanted(key)}


async def download(bucket: Opened, listing: Listing, into: Path, limit: int) -> dict[str, str]:
    """Writes the objects below `into`; what is there really, by the ETags of the downloads. An object that has vanished is left
    out. `limit`: bytes in all. Raises BucketError, UnsafeKey."""
    slots, got, left = asyncio.Semaphore(AT_A_TIME), dict[str, str](), [limit]

    async def one(key: str) -> None:
        async with slots:
            if etag := await _fetch(bucket, key, _target(into, key), left):
                got[key] = etag

    try:
        async with TaskGroup() as group:
            for key in listing:
                group.create_task(one(key))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the first ended the others
    return got


def revision_of(listing: Listing) -> str:
    """SK13: the hash of the sorted keys and ETags."""
    hashed = hashlib.sha256()
    for key in sorted(listing, key=str.encode):
        hashed.update(f"{key} {listing[key]}\n".encode())
    return hashed.hexdigest()


def etag_of(meta: Mapping[str, Any]) -> str:
    """As the store's API gives it, without quotation marks."""
    return str(meta.get("e_tag") or "").strip('"')


async def _fetch(bucket: Opened, key: str, target: Path, left: list[int]) -> str:
    """Its ETag; "" when it has vanished."""
    try:
        found = await bucket.store.get_async(key)
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        with await asyncio.to_thread(target.open, "xb") as file:
            async for chunk in found.stream():
                left[0] -= len(chunk)
                if left[0] < 0:
                    raise BucketError(f"bucket '{bucket.name}' holds more bytes than we accept")
                file.write(chunk)
        return etag_of(found.meta)
    except FileNotFoundError:
        return ""
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise UnsafeKey(f"the key '{key[:200]}' is a file and a folder, or the same as another one") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UnsafeKey(f"the key '{key[:200]}...' is too long for a file's name") from None
        raise
    except BucketError:
        raise
    except Exception as error:
        raise _failure(bucket, error) from None


def _target(into: Path, key: str) -> Path:
    path = PurePosixPath(key)
    if path.is_absolute() or ".." in path.parts or "\0" in key or "\\" in key:
        raise UnsafeKey(f"the key '{key[:200]}' leads out of the bucket's folder")
    if len(path.parts) > MOST_LEVELS:
        raise UnsafeKey(f"the key '{key[:200]}' has more than {MOST_LEVELS} levels")
    return into / path


def _failure(bucket: Opened, error: Exception) -> BucketError:
    text = str(error)
    if isinstance(error, FileNotFoundError) or "NoSuchBucket" in text or "ContainerNotFound" in text:
        return BucketNotFound(f"bucket '{bucket.name}' not found")
    return BucketError(scrubbed(text))
