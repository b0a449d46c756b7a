"""That nothing accepted is lost: providers that are away, kills, a restart; and nothing is told twice."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.e2e.notification.conftest import World, event, serving
from tests.e2e.notification.receiver import Inbox, inbox

COUNT = 300


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Of a provider that is not there yet."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number = found.getsockname()[1]
    yield number


async def post_all(world: World, first: int, last: int) -> None:
    for index in range(first, last):
        assert await world.post(event(world.namespace, f"app-{index % 20}", f"event {index}")) == 202


async def test_killed_while_its_provider_is_away(world: World, port: int) -> None:
    """Everything that was answered with 202 arrives, once, although the process is killed with -9 twice."""
    await world.provider(address=f"http://127.0.0.1:{port}/hook", timeout="2s")
    alert = await world.alert()
    await world.known(alert)
    await post_all(world, 0, COUNT // 2)
    await world.warning(alert, "NotificationDispatchFailed")
    await restarted(world)
    await post_all(world, COUNT // 2, COUNT)
    await restarted(world)
    async with inbox(port) as provider:
        await provider.until(COUNT, 120)
        await asyncio.sleep(1)  # for what should not come
        assert delivered(provider) == Counter(f"event {index}" for index in range(COUNT))
        assert await world.post(event(world.namespace, "app-0", "event 0")) == 429  # known over both kills


async def test_in_order_for_each_object(world: World) -> None:
    await world.provider()
    await world.known(await world.alert())
    await post_all(world, 0, 100)
    requests = await world.inbox.until(100)
    for number in range(20):
        told = [r.json()["message"] for r in requests if r.json()["involvedObject"]["name"] == f"app-{number}"]
        assert told == sorted(told, key=lambda text: int(text.split()[1]))


async def test_killed_during_delivery(world: World) -> None:
    """At most what was in flight is told again."""
    await world.provider()
    await world.known(await world.alert())
    posting = asyncio.create_task(post_all(world, 0, COUNT))
    await world.inbox.until(COUNT // 3)
    await world.controller.kill()
    with pytest.raises(aiohttp.ClientError):
        await posting
    accepted = COUNT // 3
    await world.controller.start()
    await serving(world.http, world.controller.address)
    await world.inbox.until(accepted, 60)
    await asyncio.sleep(1)
    found = delivered(world.inbox)
    assert set(found) >= {f"event {index}" for index in range(accepted)}
    assert sum(found.values()) - len(found) <= 8


async def test_a_provider_that_is_away_holds_up_no_other(world: World, port: int) -> None:
    await world.provider()
    await world.apply("Provider", "away", type="generic", address=f"http://127.0.0.1:{port}/", timeout="2s")
    await world.alert("lost", providerRef={"name": "away"})
    await world.known(await world.alert())
    await post_all(world, 0, 50)
    await world.inbox.until(50, 20)


async def restarted(world: World) -> None:
    await world.controller.kill()
    await world.controller.start()
    await serving(world.http, world.controller.address)


def delivered(provider: Inbox) -> Counter[str]:
    return Counter(request.json()["message"] for request in provider.requests)
