"""`Following`: what watches tell a test of Kustomizations, sources and objects, so that it can wait for it, and count."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fleetloop.kube import Kube, Manifest
from fleetloop.kube.cache import Cache
from tests.e2e.faults.fleet import FLEET, KUSTOMIZE_API, SOURCE_API, WORK

WATCHED = ((KUSTOMIZE_API, "Kustomization", FLEET), (SOURCE_API, "GitRepository", FLEET), ("v1", "ConfigMap", WORK))


@dataclass
class Following:
    """`news` counts the changes of each kind; `failures` the reasons of Ready=False that were seen."""

    latest: dict[str, dict[str, Manifest]] = field(default_factory=lambda: {kind: {} for _, kind, _ in WATCHED})
    news: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    messages: set[str] = field(default_factory=set)
    _bell: asyncio.Condition = field(default_factory=asyncio.Condition)
    _rings: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self, kind: str, old: Manifest | None, new: Manifest | None) -> None:
        self.news[kind] += 1
        if new is None:
            assert old
            del self.latest[kind][old["metadata"]["name"]]
        else:
            self.latest[kind][new["metadata"]["name"]] = new
            self._note_failure(kind, old, new)
        rings, self._rings = self._rings, asyncio.Event()
        rings.set()

    async def until(self, holds: Callable[[], bool], seconds: float) -> None:
        """Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not holds():
                await self._rings.wait()

    def _note_failure(self, kind: str, old: Manifest | None, new: Manifest) -> None:
        now, before = _ready(new), _ready(old or {})
        if now.get("status") == "False" and now != before:
            self.failures[f"{kind} {now['reason']}"] += 1
            self.messages.add(f"{kind} {now['reason']}: {now['message'][:200]}")


@dataclass(frozen=True)
class _Listener:
    following: Following
    kind: str

    def changed(self, old: Manifest | None, new: Manifest | None) -> None:
        self.following.changed(self.kind, old, new)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        raise AssertionError(error)

    def disturbed(self, error: Exception) -> None:
        """The API server is restarted in some tests."""


@asynccontextmanager
async def following(kube: Kube) -> AsyncIterator[Following]:
    found = Following()
    async with asyncio.TaskGroup() as group:
        watches = []
        for api_version, kind, namespace in WATCHED:
            cache: Cache[Manifest] = Cache(
                kube, api_version, kind, lambda manifest: manifest, _Listener(found, kind), namespace=namespace
            )
            watches.append(group.create_task(cache.run()))
        yield found
        for watch in watches:
            watch.cancel()


def _ready(live: Manifest) -> dict[str, str]:
    conditions = (live.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == "Ready"), {})
