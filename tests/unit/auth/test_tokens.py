"""The token cache: how long, for whom, and one fetch at a time."""

import asyncio

import pytest

from fleetloop.auth.tokens import Subject, Token, TokenCache

APP = Subject("GitRepository", "app", "team", "fetch")


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Watcher:
    def __init__(self) -> None:
        self.said: list[object] = []

    def requested(self, subject: Subject, hit: bool) -> None:
        self.said.append((subject.name, hit))

    def fetched(self, success: bool) -> None:
        self.said.append(success)

    def evicted(self) -> None:
        self.said.append("evicted")

    def holds(self, items: int) -> None:
        self.said.append(items)


class Service:
    def __init__(self, clock: Clock, lifetime: float = 100.0) -> None:
        self.asked, self._clock, self._lifetime = 0, clock, lifetime

    async def fetch(self) -> Token:
        self.asked += 1
        await asyncio.sleep(0)
        return Token(f"t{self.asked}", self._clock.at + self._lifetime)


async def test_a_token_is_kept_for_80_percent_of_its_lifetime() -> None:
    clock = Clock()
    cache, service = TokenCache(10, 3600, now=clock), Service(clock)
    assert (await cache.get("k", service.fetch)).value == "t1"
    clock.at += 79
    assert (await cache.get("k", service.fetch)).value == "t1"
    clock.at += 1
    assert (await cache.get("k", service.fetch)).value == "t2"


@pytest.mark.parametrize(("wished", "kept"), [(50.0, 50.0), (1e9, 3600.0)])
async def test_longest(wished: float, kept: float) -> None:
    clock = Clock()
    cache, service = TokenCache(10, wished, now=clock), Service(clock, lifetime=1e6)
    await cache.get("k", service.fetch)
    clock.at += kept - 1
    await cache.get("k", service.fetch)
    assert service.asked == 1
    clock.at += 1
    await cache.get("k", service.fetch)
    assert service.asked == 2


async def test_size_0_keeps_nothing() -> None:
    clock = Clock()
    cache, service = TokenCache(0, 3600, now=clock), Service(clock)
    await cache.get("k", service.fetch)
    await cache.get("k", service.fetch)
    assert service.asked == 2


async def test_one_fetch_at_a_time_for_a_key() -> None:
    clock = Clock()
    cache, service = TokenCache(10, 3600, now=clock), Service(clock)
    found = await asyncio.gather(*(cache.get("k", service.fetch) for _ in range(20)))
    assert {token.value for token in found} == {"t1"} and service.asked == 1


async def test_a_failure_or_a_cancelled_fetch_is_the_callers_alone() -> None:
    clock = Clock()
    cache, service = TokenCache(10, 3600, now=clock), Service(clock)
    started = asyncio.Event()

    async def hang() -> Token:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def fail() -> Token:
        raise ValueError("no")

    hanging = asyncio.create_task(cache.get("k", hang))
    await started.wait()
    waiting = asyncio.create_task(cache.get("k", service.fetch))
    hanging.cancel()
    async with asyncio.timeout(5):
        assert (await waiting).value == "t1"
    with pytest.raises(ValueError, match="no"):
        await cache.get("other", fail)
    assert (await cache.get("other", service.fetch)).value == "t2"


async def test_the_last_used_stay_and_the_observer_hears() -> None:
    clock, watcher = Clock(), Watcher()
    cache, service = TokenCache(2, 3600, watcher, now=clock), Service(clock)
    for key in ("a", "b", "a", "c", "b"):
        await cache.get(key, service.fetch, APP)
    assert service.asked == 4  # b was the least recently used when c came
    new, kept = [("app", False), True], [("app", True)]
    assert watcher.said == [*new, 1, *new, 2, *kept, *new, "evicted", 2, *new, "evicted", 2]


def test_a_token_is_not_printed() -> None:
    assert "secret" not in repr(Token("secret", 1.0))
