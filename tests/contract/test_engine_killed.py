"""Engines that are killed from outside while they work: what was in flight is tried again, and nobody else hears of it."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from fleetloop.engine import EngineError, EngineGone, EngineKilled, Engines, EngineSettings, Family
from tests.kit.processes import engines_of
from tests.kit.waiting import eventually

KILLS = 50
CALLERS = 12
SEED = 7
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_fifty_kills_are_nobodys_failure(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Every caller gets every answer, and each is the right one. Private processes are killed as well. With uvloop, which
    controllers run on, a write to a process that had just died once raised RuntimeError, and that was a bug in the log."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_fifty_kills())


async def _fifty_kills() -> None:
    dice, answers, done = random.Random(SEED), 0, False

    async def ask(caller: int) -> None:
        nonlocal answers
        while not done:
            text = f"a: {caller}\nb: {answers}"
            found = await engines.call_surely(Family.BUILD, "yaml.parse", 30, text=text)
            assert found["documents"][0]["a"] == caller
            answers += 1

    async with Engines() as engines, asyncio.TaskGroup() as group:
        for caller in range(CALLERS):
            group.create_task(ask(caller))
        for _ in range(KILLS):
            target = answers + dice.randint(1, 40)
            async with asyncio.timeout(30):
                while answers < target:  # noqa: ASYNC110  # counts what others do
                    await asyncio.sleep(0.001)
            for pid in engines_of(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        done = True
    assert answers > KILLS


async def test_only_calls_in_flight_are_tried_again(tmp_path: Path) -> None:
    """The program writes down what it was asked: an answered call once, one in flight when it was killed twice."""
    diary = tmp_path / "diary"
    program = tmp_path / "fleetloop-engine-build"
    program.write_text(f"#!/bin/sh\nexec env PYTHONPATH={ROOT} {sys.executable} -m tests.kit.stubborn_engine {diary}\n")
    program.chmod(0o755)
    async with Engines(EngineSettings(bin=tmp_path)) as engines:
        await engines.call_surely(Family.BUILD, "echo", 10, n=1)
        in_flight = asyncio.ensure_future(engines.call_surely(Family.BUILD, "hang-once", 10, n=2))
        await eventually(lambda: "hang-once 2" in diary.read_text(), 10)
        await engines.call_surely(Family.BUILD, "echo", 10, n=3)
        pid = engines.pid_of(Family.BUILD)
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert await in_flight == {"n": 2}
    assert diary.read_text().splitlines() == ["echo 1", "hang-once 2", "echo 3", "hang-once 2"]


async def test_a_call_whose_own_process_is_always_killed_ends(tmp_path: Path) -> None:
    """As when the kernel is out of memory: the fifth death is told, with its signal."""
    program = tmp_path / "fleetloop-engine-build"
    program.write_text("#!/bin/sh\nhead -c 4 >/dev/null\nkill -9 $$\n")
    program.chmod(0o755)
    async with Engines(EngineSettings(bin=tmp_path)) as engines:
        with pytest.raises(EngineKilled, match="the engine ended with signal 9"):
            await engines.call_surely(Family.BUILD, "x", 10)


async def test_a_process_that_ends_by_its_own_fault_is_tried_alone_once(tmp_path: Path) -> None:
    program = tmp_path / "fleetloop-engine-build"
    program.write_text(f"#!/bin/sh\nhead -c 4 >/dev/null\necho x >> {tmp_path}/starts\nexit 70\n")
    program.chmod(0o755)
    async with Engines(EngineSettings(bin=tmp_path)) as engines:
        with pytest.raises(EngineGone, match="memory limit passed") as caught:
            await engines.call_surely(Family.BUILD, "x", 10)
    assert not isinstance(caught.value, EngineKilled | EngineError)
    assert (tmp_path / "starts").read_text() == "x\nx\n"
