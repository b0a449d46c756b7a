"""Equal builds are made once: what kustomize made of a source and its settings, kept by what went in. Bounded, in memory.

Nothing that was decrypted or substituted is kept, nor anything that came from outside the source.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from fleetloop.build.errors import BuildError

KEPT_BYTES = 64 << 20
LARGEST_SHARE = 4  # a result of more than a quarter of all is not worth the others


class BuildCache:
    """One event loop owns it. Keeps JSON, so that callers may change what they get."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._size = 0
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()  # least recently used first
        self._running: dict[bytes, asyncio.Future[bytes]] = {}

    async def result(self, key: bytes, build: Callable[[], Awaitable[Any]]) -> Any:
        """What `build` gives, or gave for the same key. Who comes while it runs shares its end, a BuildError too."""
        while running := self._running.get(key):
            await asyncio.wait([running])
            if not running.cancelled():
                return orjson.loads(running.result())
        data = self._kept.get(key)
        if data is None:
            data = await self._make(key, build)
        else:
            self._kept.move_to_end(key)
        return orjson.loads(data)

    async def _make(self, key: bytes, build: Callable[[], Awaitable[Any]]) -> bytes:
        running = self._running[key] = asyncio.get_running_loop().create_future()
        try:
            data = orjson.dumps(await build())
            running.set_result(data)
        except BuildError as error:
            running.set_exception(error)
            running.exception()  # perhaps nobody else waits for it
            raise
        finally:
            del self._running[key]
            running.cancel()  # where it has no result: the next one builds
        self._keep(key, data)
        return data

    def _keep(self, key: bytes, data: bytes) -> None:
        if len(data) * LARGEST_SHARE > self._kept_bytes:
            return
        self._kept[key] = data
        self._size += len(data)
        while self._size > self._kept_bytes:
            self._size -= len(self._kept.popitem(last=False)[1])
