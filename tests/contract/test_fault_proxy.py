"""The client and the watch cache against a real API server behind the fault proxy: each fault by rule."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from fleetloop.kube import ApiError, Conflict, Kube, Manifest, ObjectRef, Unreachable
from fleetloop.kube.cache import Cache
from fleetloop.kube.objects import ref_of
from tests.kit.cluster import Cluster
from tests.kit.fault_proxy import FaultProxy, fault_proxy, token_of_administrator
from tests.kit.faults import WATCH_FAULTS, Fault, FaultPlan, Request, Rule

PATIENCE = 30.0


@dataclass
class Place:
    """`kube` goes through the proxy, `direct` does not."""

    proxy: FaultProxy
    kube: Kube
    direct: Kube
    namespace: str

    def rule(self, fault: Fault, method: str = "", times: int = 1) -> None:
        watches = fault in WATCH_FAULTS

        def matches(request: Request) -> bool:
            return "configmaps" in request.path and request.is_watch == watches and method in {"", request.method}

        self.proxy.plan.rules.append(Rule(fault, matches, times))

    def config_map(self, name: str, **data: str) -> Manifest:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace},
            "data": data,
        }


@pytest.fixture
async def place(cluster: Cluster, kube: Kube, namespace: str) -> AsyncIterator[Place]:
    token = await token_of_administrator(kube)
    async with fault_proxy(cluster.connection, FaultPlan()) as proxy, Kube(proxy.connection(token)) as through:
        yield Place(proxy, through, kube, namespace)


@dataclass
class Seen:
    """A listener that can be waited for."""

    names: dict[str, str] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self, old: Manifest | None, new: Manifest | None) -> None:
        if new:
            self.names[new["metadata"]["name"]] = (new.get("data") or {}).get("a", "")
        elif old:
            del self.names[old["metadata"]["name"]]
        self._news.set()

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        raise AssertionError(error)

    def disturbed(self, error: Exception) -> None:
        self.errors.append(error)

    async def until(self, holds: Callable[[dict[str, str]], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds(self.names):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def watching(place: Place, quiet: float = 100.0) -> AsyncIterator[Seen]:
    seen = Seen()
    cache: Cache[Manifest] = Cache(
        place.kube, "v1", "ConfigMap", lambda found: found, seen, namespace=place.namespace, quiet=quiet
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(cache.run())
        yield seen
        running.cancel()


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.TRUNCATED])
async def test_no_whole_answer_is_unreachable(place: Place, fault: Fault) -> None:
    place.rule(fault, "POST")
    with pytest.raises(Unreachable):
        await place.kube.create(place.config_map("a"))
    done = await place.direct.find(ref_of(place.config_map("a"))) is not None
    assert done == (fault is not Fault.CUT_BEFORE)


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.CONFLICT, 409), (Fault.INTERNAL, 500), (Fault.UNAVAILABLE, 503), (Fault.TIMED_OUT, 504)]
)
async def test_refusals_are_told_and_not_tried_again(place: Place, fault: Fault, status: int) -> None:
    place.rule(fault, "PATCH")
    with pytest.raises(ApiError) as caught:
        await place.kube.apply(place.config_map("a"))
    assert caught.value.status == status
    assert isinstance(caught.value, Conflict) == (status == 409)
    assert place.proxy.plan.counts[fault] == 1


async def test_a_throttled_request_is_sent_again_when_the_server_said(place: Place) -> None:
    place.rule(Fault.THROTTLED, "PATCH")
    place.rule(Fault.THROTTLED_BARE, "PATCH")
    started = time.monotonic()
    await place.kube.apply(place.config_map("a"))
    assert time.monotonic() - started >= 2


async def test_a_reset_of_an_idle_connection_is_survived_by_reads(place: Place) -> None:
    await place.direct.apply(place.config_map("a"))
    place.rule(Fault.RESET_IDLE, times=10)
    for _ in range(11):
        await place.kube.get(ref_of(place.config_map("a")))


async def test_impersonation_passes_the_proxy(place: Place) -> None:
    nobody = place.kube.acting_as("nobody")
    with pytest.raises(ApiError, match='User "nobody" cannot'):
        await nobody.apply(place.config_map("a"))


@pytest.mark.parametrize("fault", [Fault.WATCH_CUT, Fault.WATCH_TORN, Fault.WATCH_EXPIRED, Fault.WATCH_DEAF])
async def test_a_broken_watch_misses_nothing(place: Place, fault: Fault) -> None:
    """A stream that ended in order inside a line once ended the process: half a line is no JSON."""
    await place.direct.apply(place.config_map("gone", a="0"))
    place.rule(fault, times=3)
    async with watching(place) as seen:
        await seen.until(lambda names: names.get("gone") == "0")
        for number in range(12):
            await place.direct.apply(place.config_map("a", a=str(number)))
        await place.direct.delete(ref_of(place.config_map("gone")))
        await seen.until(lambda names: names.get("a") == "11" and "gone" not in names)
    assert place.proxy.plan.counts[fault]


async def test_a_silent_watch_is_opened_again(place: Place) -> None:
    place.rule(Fault.WATCH_STALLED)
    async with watching(place, quiet=2.0) as seen:
        await seen.until(lambda names: "kube-root-ca.crt" in names)  # listed: what follows comes by the watch
        for number in range(8):
            await place.direct.apply(place.config_map("a", a=str(number)))
        await seen.until(lambda names: names.get("a") == "7")
    assert any(isinstance(error, TimeoutError) for error in seen.errors)


async def test_a_kind_that_is_not_served_is_known_to_have_no_objects(place: Place) -> None:
    """Else what reads it would wait for ever for its list."""
    seen = Seen()
    cache: Cache[Manifest] = Cache(place.kube, "no.such.group/v1", "Widget", lambda found: found, seen)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        running = group.create_task(cache.run())
        await cache.synced.wait()
        running.cancel()
    assert not len(cache)
    assert seen.errors


async def test_streams_that_end_at_once_are_not_opened_in_a_loop(place: Place) -> None:
    place.rule(Fault.WATCH_EXPIRED, times=1000)
    async with watching(place) as seen:
        await seen.until(lambda names: "kube-root-ca.crt" in names)
        place.proxy.plan.requests = 0
        await asyncio.sleep(2)  # it is counted what happens in this time
        assert place.proxy.plan.requests < 20


async def test_a_server_that_is_away_is_found_again(place: Place) -> None:
    async with watching(place) as seen:
        await seen.until(lambda names: "kube-root-ca.crt" in names)
        async with place.proxy.away():
            await place.direct.apply(place.config_map("a"))
            with pytest.raises(Unreachable):
                await place.kube.get(ObjectRef("v1", "ConfigMap", place.namespace, "a"))
        await seen.until(lambda names: "a" in names)
