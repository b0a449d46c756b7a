"""Workers' places: given back, lent, lost to others after a while; no namespace holds all of them."""

import asyncio

from fleetloop.runtime.slots import Slots


class Gate:
    def __init__(self) -> None:
        self.barred: set[str] = set()

    def slots(self, workers: int, patience: float = 0.02) -> Slots:
        return Slots(workers, self.barred.add, self.barred.discard, patience)


async def taken(slots: Slots, seconds: float = 2.0) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await slots.take()
    except TimeoutError:
        return False
    return True


async def test_a_place_is_lent_while_the_world_is_awaited() -> None:
    slots = Gate().slots(1, patience=60)
    await slots.take()
    async with slots.used_by("a") as slot:
        assert not await taken(slots, 0.01)
        async with slot.away():
            assert await taken(slots)
            async with slots.used_by("b"):
                pass
        assert not await taken(slots, 0.01)
    assert await taken(slots)


async def test_a_long_pass_loses_its_place_and_its_namespace_gets_no_more_than_workers_of_them() -> None:
    """One tenant's endless builds take a worker for a moment each, and only so many."""
    gate = Gate()
    slots = gate.slots(1)
    await slots.take()
    async with slots.used_by("hostile"):
        assert await taken(slots)
        assert gate.barred == {"hostile"}
        async with slots.used_by("other"):
            pass
    assert gate.barred == set()
    assert await taken(slots)
    assert not await taken(slots, 0.01)  # no place was made twice


async def test_passes_in_overtime_are_bounded() -> None:
    """Each holds memory: four times the workers, whatever the number of namespaces."""
    slots = Gate().slots(1)
    async with asyncio.TaskGroup() as group:
        over = asyncio.Event()

        async def endless(namespace: str) -> None:
            async with slots.used_by(namespace):
                await over.wait()

        for number in range(5):
            assert await taken(slots)
            group.create_task(endless(f"n{number}"))
        assert not await taken(slots, 0.1)
        over.set()
    assert await taken(slots)
