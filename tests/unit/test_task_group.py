"""A child's failure that was caught leaves no cancellation behind; one from outside stays."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fleetloop.task_group import TaskGroup


async def fails_later() -> None:
    await asyncio.sleep(0)
    raise ValueError


async def caught() -> None:
    try:
        async with TaskGroup() as group:
            group.create_task(fails_later())
    except* ValueError:
        pass


async def caught_in_the_body() -> None:
    try:
        async with TaskGroup() as group:
            group.create_task(fails_later())
            await asyncio.Event().wait()
    except* ValueError:
        pass


def cancellations() -> int:
    task = asyncio.current_task()
    assert task
    return task.cancelling()


@pytest.mark.parametrize("failure", [caught, caught_in_the_body])
async def test_a_timeout_around_a_failure_that_was_caught(failure: Callable[[], Awaitable[None]]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await failure()
            assert cancellations() == 0
            await asyncio.Event().wait()
    assert cancellations() == 0


async def test_a_cancellation_from_outside_is_not_taken_back() -> None:
    async def waits() -> None:
        async with TaskGroup() as group:
            group.create_task(asyncio.Event().wait())

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_cancellation_beside_a_failure_is_still_counted() -> None:
    """The failure has precedence; that somebody wants the task to end is not forgotten."""
    counts = []

    async def fails_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    async def waits() -> None:
        try:
            async with TaskGroup() as group:
                group.create_task(fails_at_the_end())
        except* ValueError:
            counts.append(cancellations())

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert counts == [1]
