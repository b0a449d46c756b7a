"""Waiting for objects of one kind to be as wanted, on a watch that survives what an API server under load does to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from bench.applications import NAMESPACE
from fleetloop.kube import Kube, Manifest, ObjectRef
from fleetloop.kube.cache import Cache, name_of
from fleetloop.local.alongside import alongside

Look = Callable[[Manifest | None, Manifest | None], None]


class Follower:
    """The objects of a kind in the bench's namespace, while `running`."""

    def __init__(self, kube: Kube, api_version: str, kind: str) -> None:
        self._cache: Cache[Manifest] = Cache(kube, api_version, kind, lambda manifest: manifest, self, namespace=NAMESPACE)
        self._looks: list[Look] = []

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Follower"]:
        async with alongside(self._cache.run()):
            await self._cache.synced.wait()
            yield self

    async def until_all(self, count: int, is_so: Callable[[Manifest], bool], patience: float) -> None:
        """Until `count` objects have been so. Raises TimeoutError after `patience` seconds."""
        there: set[tuple[str, str]] = set()
        done = asyncio.Event()

        def look(_: Manifest | None, new: Manifest | None) -> None:
            if new and is_so(new):
                there.add(name_of(new))
                if len(there) == count:
                    done.set()

        with self._looking(look):
            for manifest in self._cache:
                look(None, manifest)
            async with asyncio.timeout(patience):
                await done.wait()

    async def until(self, ref: ObjectRef, is_so: Callable[[Manifest | None], bool], patience: float) -> None:
        """Until that object is so; None when it is not there. Raises TimeoutError after `patience` seconds."""
        done = asyncio.Event()

        def look(old: Manifest | None, new: Manifest | None) -> None:
            if (some := new or old) and name_of(some) == (ref.namespace, ref.name) and is_so(new):
                done.set()

        with self._looking(look):
            if is_so(self._cache.get(ref.namespace, ref.name)):
                return
            async with asyncio.timeout(patience):
                await done.wait()

    def changed(self, old: Manifest | None, new: Manifest | None) -> None:
        for look in self._looks:
            look(old, new)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        """Manifests are kept as they are."""

    def disturbed(self, error: Exception) -> None:
        """The cache tries again."""

    @contextlib.contextmanager
    def _looking(self, look: Look) -> Iterator[Any]:
        self._looks.append(look)
        try:
            yield
        finally:
            self._looks.remove(look)
