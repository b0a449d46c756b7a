"""Equal builds are made once, whoever asks and whenever."""

import asyncio

import pytest

from fleetloop.build import BuildError, Manifest
from fleetloop.build.cache import BuildCache


class Builder:
    """Builds `objects` when let go, and counts."""

    def __init__(self, objects: list[Manifest]) -> None:
        self.objects = objects
        self.count = 0
        self.started, self.go = asyncio.Event(), asyncio.Event()

    async def build(self) -> list[Manifest]:
        self.count += 1
        self.started.set()
        await self.go.wait()
        return self.objects

    async def fail(self) -> list[Manifest]:
        self.count += 1
        self.started.set()
        await self.go.wait()
        raise BuildError("kustomize build failed")


async def test_a_build_is_made_once_and_its_objects_belong_to_who_asked() -> None:
    cache, builder = BuildCache(), Builder([{"kind": "ConfigMap"}])
    builder.go.set()
    first = await cache.result(b"a", builder.build)
    first[0]["kind"] = "changed"
    assert await cache.result(b"a", builder.build) == [{"kind": "ConfigMap"}]
    assert builder.count == 1
    await cache.result(b"b", builder.build)
    assert builder.count == 2


async def test_who_comes_meanwhile_waits_for_the_same_build() -> None:
    cache, builder = BuildCache(), Builder([{"kind": "ConfigMap"}])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(cache.result(b"a", builder.build)) for _ in range(5)]
        await builder.started.wait()
        builder.go.set()
    assert [task.result() for task in tasks] == [[{"kind": "ConfigMap"}]] * 5
    assert builder.count == 1


async def test_a_failure_is_shared_by_who_waits_and_not_kept() -> None:
    cache, builder = BuildCache(), Builder([])
    tasks = [asyncio.ensure_future(cache.result(b"a", builder.fail)) for _ in range(3)]
    await builder.started.wait()
    builder.go.set()
    assert [str(error) for error in await asyncio.gather(*tasks, return_exceptions=True)] == ["kustomize build failed"] * 3
    assert builder.count == 1
    with pytest.raises(BuildError):
        await cache.result(b"a", builder.fail)
    assert builder.count == 2


async def test_another_builds_when_the_first_is_cancelled() -> None:
    cache, builder = BuildCache(), Builder([{"kind": "ConfigMap"}])
    first = asyncio.ensure_future(cache.result(b"a", builder.build))
    await builder.started.wait()
    second = asyncio.ensure_future(cache.result(b"a", builder.build))
    await asyncio.sleep(0)
    first.cancel()
    builder.go.set()
    assert await second == [{"kind": "ConfigMap"}]
    assert builder.count == 2


async def test_the_oldest_goes_when_there_is_no_room_and_the_too_large_is_not_kept() -> None:
    objects = [{"kind": "x" * 80}]  # 93 bytes
    cache, builder = BuildCache(kept_bytes=400), Builder(objects)
    builder.go.set()
    for key in (b"a", b"b", b"c", b"d", b"a", b"e"):
        await cache.result(key, builder.build)
    assert builder.count == 5
    await cache.result(b"a", builder.build)
    assert builder.count == 5
    await cache.result(b"b", builder.build)
    assert builder.count == 6
    builder.objects = [{"kind": "x" * 200}]
    await cache.result(b"large", builder.build)
    await cache.result(b"large", builder.build)
    assert builder.count == 8
