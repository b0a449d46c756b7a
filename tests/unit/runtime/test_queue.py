"""The work queue: once, in order, never twice at a time."""

import asyncio

from fleetloop.api.meta import Key
from fleetloop.runtime.queue import WorkQueue

A, B = Key("K", "n", "a"), Key("K", "n", "b")


async def take(queue: WorkQueue) -> Key:
    async with asyncio.timeout(2):
        key = await queue.next()
    queue.done(key)
    return key


async def test_a_key_is_queued_once_and_lower_priority_goes_first() -> None:
    queue = WorkQueue()
    for key, priority in ((A, 5), (B, 1), (A, 5), (A, 9)):
        queue.add(key, priority)
    assert len(queue) == 2
    assert [await take(queue), await take(queue)] == [B, A]
    assert len(queue) == 0


async def test_a_raised_priority_moves_a_key_forward() -> None:
    queue = WorkQueue()
    queue.add(A, 5)
    queue.add(B, 3)
    queue.add(A, 1)
    assert [await take(queue), await take(queue)] == [A, B]


async def test_a_key_added_while_active_comes_again_afterwards() -> None:
    queue = WorkQueue()
    queue.add(A)
    key = await queue.next()
    queue.add(key)
    queue.add(B)
    assert await take(queue) == B  # A is not given to a second worker
    queue.done(key)
    assert await take(queue) == A


async def test_the_earlier_delay_wins() -> None:
    queue = WorkQueue()
    queue.add_after(A, 60)
    queue.add_after(A, 0.01)
    queue.add_after(A, 120)
    assert await take(queue) == A


async def test_forgetting_stops_the_timer() -> None:
    queue = WorkQueue()
    queue.add_after(A, 0.01)
    queue.forget(A)
    queue.add_after(B, 0.02)
    assert await take(queue) == B
    assert len(queue) == 0


async def test_namespaces_take_turns() -> None:
    """A tenant with a thousand objects does not keep another's only one waiting."""
    queue = WorkQueue()
    for number in range(1000):
        queue.add(Key("K", "many", str(number)))
    queue.add(Key("K", "one", "x"))
    queue.add(Key("K", "two", "x"))
    assert [(await take(queue)).namespace for _ in range(3)] == ["many", "one", "two"]
    for number in range(1, 1000):
        assert (await take(queue)).name == str(number)  # its own order is kept


async def test_keys_of_a_barred_namespace_wait() -> None:
    queue = WorkQueue()
    queue.add(A)
    queue.bar("n")
    queue.add(Key("K", "m", "c"))
    assert (await take(queue)).namespace == "m"
    queue.admit("n")
    assert await take(queue) == A
