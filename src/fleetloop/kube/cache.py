"""A local copy of the objects of one kind, kept up to date by a watch. Decides nothing; tells its listener.

One undecodable object is reported and left out; the others go on (CVE-2022-39272).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, Protocol, TypeVar

from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.kube.objects import Manifest, version_of

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
Name = tuple[str, str]  # namespace, name
FIRST_RETRY, LAST_RETRY = 0.2, 15.0
BUSY = {429, 500, 503}  # the watch goes on from where it was
QUIET = 100.0  # seconds; the server sends a bookmark after 60 to 75, so a stream that is silent for longer is dead


class Listener(Protocol[T_contra]):
    def changed(self, old: T_contra | None, new: T_contra | None) -> None:
        """An object appeared (old None), changed, or went (new None)."""

    def undecodable(self, manifest: Manifest, error: ValueError) -> None: ...

    def disturbed(self, error: Exception) -> None:
        """The stream broke; it is opened again after a pause."""


class Cache(Generic[T]):
    """`decode` turns a manifest into what is kept; it raises ValueError for what it cannot read."""

    def __init__(
        self,
        kube: Kube,
        api_version: str,
        kind: str,
        decode: Callable[[Manifest], T],
        listener: Listener[T],
        *,
        namespace: str = "",
        label_selector: str = "",
        quiet: float = QUIET,
    ) -> None:
        """`quiet`: a stream without even a bookmark for so many seconds is opened again."""
        self.kind = kind
        self.api_version = api_version
        self.synced = asyncio.Event()
        self.version = 0  # resourceVersion up to which all is known
        self._kube = kube
        self._decode = decode
        self._listener = listener
        self._scope = (namespace, label_selector)
        self._quiet = quiet
        self._objects: dict[Name, T] = {}
        self._versions: dict[Name, int] = {}

    def get(self, namespace: str, name: str) -> T | None:
        return self._objects.get((namespace, name))

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._objects.values()))

    def __len__(self) -> int:
        return len(self._objects)

    async def run(self) -> None:
        """Lists, then watches, until cancelled. Missing kinds and broken streams are waited out with growing pauses."""
        pause, version = FIRST_RETRY, ""
        while True:
            try:
                version = version or await self._list()
                async with asyncio.timeout(None) as patience:
                    async for event_version in self._watch(version, patience):
                        version, pause = event_version, FIRST_RETRY
            except (ApiError, Unreachable, TimeoutError) as error:
                if isinstance(error, ApiError) and error.status not in BUSY:
                    version = ""  # too old, from the future of another server, or the kind went: list again
                    self.synced.set()  # nothing there that we may see, until told otherwise
                self._listener.disturbed(error)
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # the server gives no event to wait for
            pause = min(pause * 2, LAST_RETRY)

    async def _list(self) -> str:
        items, version = await self._kube.list_with_version(self.api_version, self.kind, *self._scope)
        seen = {name_of(item) for item in items}
        for item in items:
            self._store(item)
        for gone in [name for name in self._objects if name not in seen]:
            self._drop(gone)
        self.synced.set()
        self.version = int(version or 0)
        return version

    async def _watch(self, version: str, patience: asyncio.Timeout) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        patience.reschedule(loop.time() + self._quiet)
        async for event in self._kube.watch(self.api_version, self.kind, *self._scope, resource_version=version):
            patience.reschedule(loop.time() + self._quiet)
            if event.type == "DELETED":
                self._drop(name_of(event.object))
            elif event.type != "BOOKMARK":
                self._store(event.object)
            self.version = version_of(event.object)
            yield event.object["metadata"]["resourceVersion"]

    def keep(self, manifest: Manifest) -> None:
        """The answer to our own write, ahead of the watch: the next pass must not work with an older version."""
        if name_of(manifest) in self._objects:
            self._store(manifest)

    def _store(self, manifest: Manifest) -> None:
        name, version = name_of(manifest), version_of(manifest)
        if version < self._versions.get(name, 0):
            return
        self._versions[name] = version
        try:
            new = self._decode(manifest)
        except ValueError as error:
            self._listener.undecodable(manifest, error)
            return
        old = self._objects.get(name)
        self._objects[name] = new
        self._listener.changed(old, new)

    def _drop(self, name: Name) -> None:
        self._versions.pop(name, None)
        if (old := self._objects.pop(name, None)) is not None:
            self._listener.changed(old, None)


def name_of(manifest: Manifest) -> Name:
    metadata = manifest["metadata"]
    return (metadata.get("namespace") or "", metadata["name"])
