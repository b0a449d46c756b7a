"""Waits hold no worker, and end once."""

import asyncio

from fleetloop.api.meta import Key
from fleetloop.kube.kstatus import Health
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.health_waits import HealthWaits
from fleetloop.runtime.outcome import Target, Waiting

KEY = Key("Kustomization", "n", "a")
ONE, TWO = ObjectRef("v1", "A", "n", "one"), ObjectRef("v1", "A", "n", "two")


class World:
    """Health as a table; what was woken as a list."""

    def __init__(self, patience: float = 0.0) -> None:
        self.health = {ONE: "InProgress", TWO: "InProgress"}
        self.woken: list[Key] = []
        self.ended = asyncio.Event()
        self.waits = HealthWaits(self._wake, lambda t: Health(self.health[t.ref]), patience)  # type: ignore[arg-type]

    def _wake(self, key: Key) -> None:
        self.woken.append(key)
        self.ended.set()

    def turns(self, ref: ObjectRef, status: str) -> None:
        self.health[ref] = status
        self.waits.observe(ref)


def waiting(token: str = "t", timeout: float = 60) -> Waiting:
    return Waiting(token, frozenset({Target(ONE), Target(TWO)}), timeout, "")


async def test_all_current_wakes_once_with_an_empty_verdict() -> None:
    world = World()
    world.waits.start(KEY, waiting())
    world.turns(ONE, "Current")
    assert world.woken == []
    world.turns(TWO, "Current")
    world.turns(TWO, "Current")
    assert world.woken == [KEY]
    verdict = world.waits.take_verdict(KEY, "t")
    assert verdict is not None
    assert verdict.unsettled == {}
    assert world.waits.take_verdict(KEY, "t") is None


async def test_one_that_is_no_longer_current_keeps_the_wait() -> None:
    world = World()
    world.waits.start(KEY, waiting())
    world.turns(ONE, "Current")
    world.turns(ONE, "InProgress")
    world.turns(TWO, "Current")
    assert world.woken == []
    world.turns(ONE, "Current")
    assert world.woken == [KEY]


async def test_what_changed_unseen_is_looked_at_before_the_end() -> None:
    world = World()
    world.waits.start(KEY, waiting())
    world.turns(ONE, "Current")
    world.health[ONE] = "InProgress"
    world.turns(TWO, "Current")
    assert world.woken == []


async def test_a_version_of_one_object_makes_nobody_look_at_the_others() -> None:
    looked = []

    def health_of(target: Target) -> Health:
        looked.append(target)
        return Health("InProgress")

    many = frozenset(Target(ObjectRef("v1", "A", "n", str(number))) for number in range(100))
    waits = HealthWaits(lambda _: None, health_of)
    waits.start(KEY, Waiting("t", many, 60, ""))
    looked.clear()
    for target in many:
        waits.observe(target.ref)
    assert len(looked) == len(many)


async def test_one_failure_ends_the_wait() -> None:
    world = World()
    world.waits.start(KEY, waiting())
    world.turns(ONE, "Failed")
    verdict = world.waits.take_verdict(KEY, "t")
    assert verdict is not None
    assert verdict.failed
    assert set(verdict.unsettled) == {ONE, TWO}


async def test_a_failure_of_the_generation_before_does_not_end_the_wait() -> None:
    """A Deployment whose rollout failed tells so of the next generation too, until its controller has looked."""
    world = World(patience=60)
    world.health = {ONE: "Failed", TWO: "Current"}
    world.waits.start(KEY, waiting())
    world.turns(ONE, "Failed")
    assert world.woken == []
    world.turns(ONE, "Current")
    verdict = world.waits.take_verdict(KEY, "t")
    assert verdict is not None
    assert verdict.unsettled == {}


async def test_a_failure_that_stands_ends_the_wait_though_nothing_changes() -> None:
    world = World(patience=0.02)
    world.health = {ONE: "Failed", TWO: "Current"}
    world.waits.start(KEY, waiting())
    assert world.woken == []
    async with asyncio.timeout(2):
        await world.ended.wait()
    verdict = world.waits.take_verdict(KEY, "t")
    assert verdict is not None
    assert verdict.failed


async def test_the_deadline_ends_the_wait() -> None:
    world = World()
    world.waits.start(KEY, waiting(timeout=0.01))
    async with asyncio.timeout(2):
        await world.ended.wait()
    verdict = world.waits.take_verdict(KEY, "t")
    assert verdict is not None
    assert not verdict.failed


async def test_a_newer_wait_replaces_an_older_one_and_its_verdict() -> None:
    world = World()
    world.waits.start(KEY, waiting("old"))
    world.waits.start(KEY, waiting("new"))
    assert world.waits.is_waiting(KEY, "new")
    assert not world.waits.is_waiting(KEY, "old")
    world.turns(ONE, "Current")
    world.turns(TWO, "Current")
    assert world.waits.take_verdict(KEY, "old") is None


async def test_already_current_ends_at_once_and_cancel_forgets() -> None:
    world = World()
    world.health = {ONE: "Current", TWO: "Current"}
    world.waits.start(KEY, waiting())
    assert world.woken == [KEY]
    world.waits.cancel(KEY)
    assert world.waits.take_verdict(KEY, "t") is None


async def test_a_repair_during_a_wait_does_not_buy_time() -> None:
    """The same token keeps its deadline, else a second writer could keep an object from ever failing."""
    world = World()
    world.waits.start(KEY, waiting(timeout=0))
    world.waits.start(KEY, waiting(timeout=0.01))
    async with asyncio.timeout(2):
        await world.ended.wait()
    verdict = world.waits.take_verdict(KEY, "t")
    assert verdict is not None
    assert verdict.seconds >= 0.01
