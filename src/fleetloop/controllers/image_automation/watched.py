"""Objects of another controller's kind, as its watch tells of them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from fleetloop.api.kinds import kind_named
from fleetloop.api.meta import Object
from fleetloop.kube.cache import Cache
from fleetloop.kube.client import Kube
from fleetloop.kube.objects import Manifest
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.log import logger

T = TypeVar("T", bound=Object)
_FIRST_LISTING = 60.0  # seconds


class Watched(Generic[T]):
    """`heard` is told each change: the old and the new state."""

    def __init__(self, kube: Kube, struct: type[T], heard: Callable[[T | None, T | None], None], namespace: str) -> None:
        kind = kind_named(struct.__name__)
        self._kind, self._heard = kind.kind, heard
        self._cache: Cache[T] = Cache(
            kube, kind.api_version, kind.kind, lambda manifest: decoded(struct, manifest), self, namespace=namespace
        )

    async def run(self) -> None:
        """Until cancelled."""
        await self._cache.run()

    async def all(self) -> Sequence[T]:
        """Once they were listed. Raises TimeoutError."""
        async with asyncio.timeout(_FIRST_LISTING):
            await self._cache.synced.wait()
        return list(self._cache)

    def changed(self, old: T | None, new: T | None) -> None:
        self._heard(old, new)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        name = manifest["metadata"]["name"]
        logger().error("object cannot be read", kind=self._kind, name=name, error=str(error))

    def disturbed(self, error: Exception) -> None:
        logger().debug("watch interrupted, opening it again", kind=self._kind, error=str(error) or type(error).__name__)
