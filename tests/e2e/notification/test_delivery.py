"""That nothing accepted is lost: providers that are away, kills, a restart; and nothing is told twice."""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from tests.e2e.notification.conftest import World, event, serving
from tests.e2e.notification.receiver import Inbox, inbox
from tests.e2e.notification.size import size

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


async def test_killed_again_and_again_while_its_provider_is_away(world: World, port: int) -> None:
    """Controllers post all the while, and try again where they got no answer. Every event arrives, and none arrives twice."""
    wanted = size()
    await world.provider(address=f"http://127.0.0.1:{port}/hook", timeout="2s")
    alert = await world.alert()
    await world.known()
    down = asyncio.get_running_loop().time()
    posting = Posting(world)
    async with asyncio.TaskGroup() as group:
        group.create_task(posting.run(wanted.events))
        for count in sorted(random.Random(11).sample(range(1, wanted.events), wanted.kills)):
            await posting.until(count)
            await restarted(world)
    assert set(posting.answers) <= {202, 429}
    await world.warning(alert, "NotificationDispatchFailed")
    await asyncio.sleep(max(0.0, down + wanted.away - asyncio.get_running_loop().time()))  # how long it is down is what is tried
    async with inbox(port) as provider:
        await provider.until(wanted.events, 240)
        assert await world.post(event(world.namespace, "app-0", "event 0")) == 429  # known over all kills
        await asyncio.sleep(1)  # for what should not come
        found = delivered(provider)
    duplicates, lost = sum(found.values()) - len(found), wanted.events - len(found)
    print(f"\n{wanted.events} events, {wanted.kills} kills: answers {dict(posting.answers)}, delivered {len(found)}, ", end="")
    print(f"lost {lost}, duplicates {duplicates}")
    assert (lost, duplicates) == (0, 0)
    assert found == Counter(f"event {index}" for index in range(wanted.events))


@dataclass
class Posting:
    """Events from controllers, eight at a time, each until it is answered. `answers`: how often which was given."""

    world: World
    answers: Counter[int] = field(default_factory=Counter)
    answered: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self, count: int) -> None:
        numbers = iter(range(count))

        async def one() -> None:
            for index in numbers:
                status = await posted(self.world, event(self.world.namespace, f"app-{index % 20}", f"event {index}"))
                async with self.answered:
                    self.answers[status] += 1
                    self.answered.notify_all()

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(one())

    async def until(self, count: int) -> None:
        async with asyncio.timeout(120), self.answered:
            await self.answered.wait_for(lambda: self.answers.total() >= count)


async def posted(world: World, content: dict[str, Any]) -> int:
    """As a controller does: again when there was no answer."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await world.post(content)
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)


async def test_in_order_for_each_object(world: World) -> None:
    await world.provider()
    await world.alert()
    await world.known()
    await post_all(world, 0, 100)
    requests = await world.inbox.until(100)
    for number in range(20):
        told = [r.json()["message"] for r in requests if r.json()["involvedObject"]["name"] == f"app-{number}"]
        assert told == sorted(told, key=lambda text: int(text.split()[1]))


async def test_killed_during_delivery(world: World) -> None:
    """At most what was in flight is told again."""
    await world.provider()
    await world.alert()
    await world.known()
    posting = asyncio.create_task(post_all(world, 0, COUNT))
    await world.inbox.until(COUNT // 3)
    await world.controller.kill()
    with pytest.raises(aiohttp.ClientError):
        await posting
    accepted = COUNT // 3
    await world.controller.start()
    await serving(world.http, world.controller.address)
    await world.inbox.until(accepted, 60)
    await asyncio.sleep(1)  # for what should not come
    found = delivered(world.inbox)
    assert set(found) >= {f"event {index}" for index in range(accepted)}
    assert sum(found.values()) - len(found) <= 8


async def test_a_provider_that_is_away_holds_up_no_other(world: World, port: int) -> None:
    await world.provider()
    await world.apply("Provider", "away", type="generic", address=f"http://127.0.0.1:{port}/", timeout="2s")
    await world.alert("lost", providerRef={"name": "away"})
    await world.alert()
    await world.known()
    await post_all(world, 0, 50)
    await world.inbox.until(50, 20)


async def restarted(world: World) -> None:
    await world.controller.kill()
    await world.controller.start()
    await serving(world.http, world.controller.address)


def delivered(provider: Inbox) -> Counter[str]:
    return Counter(request.json()["message"] for request in provider.requests)
