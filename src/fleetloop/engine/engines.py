"""The engine processes of one program of ours: each started on first need, ended when idle, started again when it died."""

import asyncio
import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fleetloop.engine.client import Answer, Engine
from fleetloop.engine.errors import EngineGone, EngineGoneMeanwhile, EngineKilled, EngineTimeout
from fleetloop.engine.programs import EngineSettings, Family, command_of, environment_of
from fleetloop.engine.shares import Shares
from fleetloop.task_group import TaskGroup

# Seconds before a call is tried again whose own process was killed. Not for ever: the kernel kills for want of memory too.
PAUSES_WHEN_KILLED = (0.1, 0.5, 2.0)
ALONE = 2  # processes for one call at a time, beside the common one: what they may use together fits into a container of 1 GiB
NICENESS = 10


class Engines:
    """A family of verbs -> its process. An async context manager; one event loop owns it.

    A call during which its process dies raises EngineGone; the next call starts a new process.
    """

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self._settings = settings or EngineSettings()
        self._tasks = TaskGroup()
        self._running: dict[Family, Engine] = {}
        self._starting = {family: asyncio.Lock() for family in Family}
        self._idle: dict[Family, asyncio.TimerHandle] = {}
        self._private: set[Engine] = set()
        self._shares = Shares()
        self._alone = asyncio.Semaphore(ALONE)
        self._scratch = tempfile.TemporaryDirectory(prefix="fleetloop-engine-", ignore_cleanup_errors=True)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for timer in self._idle.values():
            timer.cancel()
        for engine in (*self._running.values(), *self._private):
            engine.kill("the engine was stopped")
        try:
            await self._tasks.__aexit__(kind, error, trace)
        finally:
            self._scratch.cleanup()

    async def call(self, family: Family, verb: str, timeout: float, answer: Answer | None = None, **args: object) -> Any:
        """The verb's result. Raises EngineError, EngineTimeout (`timeout` in seconds), EngineGone, EngineMissing. `answer`: see
        Engine.call."""
        engine = await self._engine(family)
        try:
            return await engine.call(verb, timeout, answer, **args)
        finally:
            self._watch_idleness(family)

    async def call_surely(self, family: Family, verb: str, timeout: float, owner: str = "", **args: object) -> Any:
        """As `call`, outliving the death of its process: when a process dies all its calls fail, and one may be to blame.

        Each is tried again alone, so that the guilty one fails by itself. A signal from outside is nobody's fault: the call
        is tried again too. `timeout` is for each try. `owner`: whose call it is (see `shares`); after one that used up its time
        or died by itself, an owner's calls run alone for a while, one at a time and below the others.
        """
        if not self._shares.is_apart(owner):
            try:
                async with self._shares.common(owner):
                    return await self.call(family, verb, timeout, None, **args)
            except EngineTimeout:
                self._shares.blame(owner)
                raise
            except EngineGone:
                pass
        async with self._shares.alone(owner), self._alone:
            try:
                return await self._call_alone_surely(family, verb, timeout, args)
            except (EngineTimeout, EngineGone):
                self._shares.blame(owner)
                raise

    async def call_once(
        self, family: Family, verb: str, timeout: float, owner: str, answer: Answer | None = None, **args: object
    ) -> Any:
        """As `call`, for what must not be repeated blindly. Whose call computed when its process died is alone for a while,
        guilty or not, so that the guilty one does it to itself the next time; who waited for the world is innocent."""
        try:
            if not self._shares.is_apart(owner):
                return await self.call(family, verb, timeout, answer, **args)
            async with self._alone:
                return await self.call_alone(family, verb, timeout, answer, **args)
        except (EngineKilled, EngineGoneMeanwhile):
            raise
        except EngineGone:
            self._shares.blame(owner)
            raise

    async def call_alone(self, family: Family, verb: str, timeout: float, answer: Answer | None = None, **args: object) -> Any:
        """As `call`, in a process of its own: for what was in flight when a process died, innocent or not."""
        settings = dataclasses.replace(self._settings, memory=min(self._settings.memory, self._settings.memory_alone))
        engine = await self._start(family, settings)
        self._private.add(engine)
        with contextlib.suppress(OSError):  # it has ended, or the system forbids it
            os.setpriority(os.PRIO_PGRP, engine.pid, NICENESS)
        try:
            return await engine.call(verb, timeout, answer, **args)
        finally:
            self._private.discard(engine)
            engine.kill("the engine was stopped")

    async def _call_alone_surely(self, family: Family, verb: str, timeout: float, args: Mapping[str, object]) -> Any:
        for pause in PAUSES_WHEN_KILLED:
            try:
                return await self.call_alone(family, verb, timeout, None, **args)
            except EngineKilled:
                await asyncio.sleep(pause)
        return await self.call_alone(family, verb, timeout, None, **args)

    def is_apart(self, owner: str) -> bool:
        """Whether calls of this owner run alone for now."""
        return self._shares.is_apart(owner)

    def pid_of(self, family: Family) -> int | None:
        """The process of a family, if one runs. For tests and metrics."""
        engine = self._running.get(family)
        return engine.pid if engine and engine.is_usable else None

    async def _engine(self, family: Family) -> Engine:
        async with self._starting[family]:
            engine = self._running.get(family)
            if engine is None or not engine.is_usable:
                engine = self._running[family] = await self._start(family, self._settings)
            return engine

    async def _start(self, family: Family, settings: EngineSettings) -> Engine:
        command = command_of(family, settings)
        environment = environment_of(family, settings, Path(self._scratch.name))
        try:
            engine = await Engine.start(command, environment, settings.in_flight, settings.grace)
        except OSError as error:
            raise EngineGone(f"the engine could not be started: {error}") from error
        self._tasks.create_task(engine.run(), name=f"engine {family}")
        return engine

    def _watch_idleness(self, family: Family) -> None:
        if timer := self._idle.pop(family, None):
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._idle[family] = loop.call_later(self._settings.idle, self._end_if_idle, family)

    def _end_if_idle(self, family: Family) -> None:
        del self._idle[family]
        engine = self._running.get(family)
        if engine is None:
            return
        if not engine.is_idle:
            self._watch_idleness(family)
            return
        del self._running[family]
        engine.close()
