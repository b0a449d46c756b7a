"""What a bucket holds is bounded before it is read."""

import tracemalloc
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from fleetloop.bucket import BucketError, Opened, UnsafeKey, download, read_object


async def test_a_large_file_is_refused_unread() -> None:
    store = MemoryStore()
    await store.put_async(".sourceignore", bytes(64 << 20))
    await store.put_async("small", b"x")
    bucket = Opened(store, "b")
    assert await read_object(bucket, "small") == b"x" and await read_object(bucket, "none") is None
    tracemalloc.start()
    try:
        with pytest.raises(BucketError, match=r"'\.sourceignore' is larger than 1048576 bytes"):
            await read_object(bucket, ".sourceignore")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


async def test_a_key_of_many_levels_is_named(tmp_path: Path) -> None:
    """Whoever walks it later would end at Python's recursion limit."""
    with pytest.raises(UnsafeKey, match=r"the key 'a/a/.*' has more than 100 levels"):
        await download(Opened(MemoryStore(), "b"), {"a/" * 100 + "x": "etag"}, tmp_path, 1 << 20)
