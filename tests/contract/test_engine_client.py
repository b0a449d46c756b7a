"""The client against a process that hangs, dies and babbles."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fleetloop.engine import AnswerRefused, EngineError, EngineGone, EngineTimeout
from fleetloop.engine.client import Engine

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def stubborn(grace: float = 0.2) -> AsyncIterator[Engine]:
    command = [sys.executable, "-m", "tests.kit.stubborn_engine"]
    engine = await Engine.start(command, {"PYTHONPATH": str(ROOT)}, grace=grace)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(engine.run())
        try:
            yield engine
        finally:
            engine.kill("the test is over")


async def test_answers_find_their_calls() -> None:
    async with stubborn() as engine:
        results = await asyncio.gather(*(engine.call("echo", 10, n=n) for n in range(500)))
        assert results == [{"n": n} for n in range(500)]
        assert await engine.call("stranger", 10) is None
        with pytest.raises(EngineError, match=r"^no$"):
            await engine.call("refuse", 10)
        assert engine.is_idle


async def test_a_call_that_ignores_its_cancellation_costs_the_process_and_the_other_calls() -> None:
    async with stubborn() as engine:
        other = asyncio.ensure_future(engine.call("hang", 30))
        with pytest.raises(EngineTimeout, match=r"^hang did not end within 0\.1 s$"):
            await engine.call("hang", 0.1)
        with pytest.raises(EngineGone, match=r"killed: a cancelled call went on for 0\.2 s"):
            await other
        assert not engine.is_usable
        with pytest.raises(EngineGone):
            await engine.call("echo", 1)


async def test_cancelling_the_caller_cancels_the_call() -> None:
    async with stubborn() as engine:
        call = asyncio.ensure_future(engine.call("hang", 30))
        await engine.call("echo", 10)  # so `hang` has been sent
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        with pytest.raises(EngineGone):
            await engine.call("hang", 10)


async def test_death_tells_its_cause_to_every_call() -> None:
    async with stubborn() as engine:
        innocent = asyncio.ensure_future(engine.call("hang", 10))
        with pytest.raises(EngineGone, match="exit code 3: fatal error: oh"):
            await engine.call("die", 10, code=3, last="fatal error: oh")
        with pytest.raises(EngineGone, match="exit code 3: fatal error: oh"):
            await innocent


async def test_memory_death_is_named() -> None:
    async with stubborn() as engine:
        with pytest.raises(EngineGone, match="the engine ended: memory limit of 64 MiB passed"):
            await engine.call("die", 10, code=70, last="engine: memory limit of 64 MiB passed")


@pytest.mark.parametrize("verb", ["babble", "garbage"])
async def test_a_broken_stream_ends_the_process_not_its_owner(verb: str) -> None:
    async with stubborn() as engine:
        with pytest.raises(EngineGone, match="it sent a broken frame"):
            await engine.call(verb, 10)


async def test_no_process_is_left() -> None:
    async with stubborn() as engine:
        await engine.call("echo", 10)
    with pytest.raises(ProcessLookupError):
        os.kill(engine.pid, 0)


async def test_a_verb_may_ask_its_caller() -> None:
    async def answer(verb: str, args: object) -> object:
        if args == {"n": 2}:
            raise AnswerRefused("not today")
        return [verb, args]

    async with stubborn() as engine:
        assert await engine.call("ask", 10, answer, n=1) == [7, ["more", {"n": 1}], None]
        assert await engine.call("ask", 10, answer, n=2) == [7, None, "not today"]
        assert await engine.call("ask", 10, n=1) == [7, None, "nobody is here to answer"]


async def test_a_question_does_not_outlive_its_process() -> None:
    asked, dropped = asyncio.Event(), asyncio.Event()

    async def answer(_: str, __: object) -> None:
        asked.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            dropped.set()

    async with stubborn() as engine:
        call = asyncio.ensure_future(engine.call("ask", 30, answer))
        await asyncio.wait_for(asked.wait(), 10)
        engine.kill("it was killed")
        with pytest.raises(EngineGone, match="it was killed"):
            await call
        await asyncio.wait_for(dropped.wait(), 10)
