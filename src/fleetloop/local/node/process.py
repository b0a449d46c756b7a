"""One run of a container that really runs: a child process, its output, its probes, its end."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from fleetloop.local import leash
from fleetloop.local.alongside import alongside
from fleetloop.local.child import stop
from fleetloop.local.node.log_file import LogWriter
from fleetloop.local.node.pod_status import ContainerStatus, Running, State, Terminated
from fleetloop.local.node.probes import EAGER_PERIOD, Probe, verdicts
from fleetloop.task_group import TaskGroup

UNHEALTHY = 137  # what a kubelet reports for a container it had to kill


@dataclass(frozen=True, slots=True)
class Start:
    """How to start a container. `grace`: seconds between SIGTERM and SIGKILL."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    grace: float
    startup: Probe | None
    readiness: Probe | None
    liveness: Probe | None


class ContainerRun:
    """Keeps `status` true while the process runs; `changed` is called after each change. `now`: the time for statuses."""

    def __init__(self, start: Start, status: ContainerStatus, changed: Callable[[], None], now: Callable[[], str]) -> None:
        self.pid: int | None = None
        self._start = start
        self._status = status
        self._changed = changed
        self._now = now
        self._unhealthy = ""

    async def until_end(self, log: LogWriter) -> Terminated:
        """Starts the process and returns how it ended. Cancelled, it ends the process first."""
        process = await self._spawn()
        began = self._now()
        self.pid = process.pid
        self._set(Running(began), ready=False, started=False)
        assert process.stdout is not None  # asked for in _spawn
        async with TaskGroup() as tasks:
            tasks.create_task(log.copy_from(process.stdout))
            try:
                async with aiohttp.ClientSession() as session, alongside(self._watch_health(process, session)):
                    code = await process.wait()
            finally:
                await stop(process, self._start.grace)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # its children, who may hold the output open
        end = self._end(code, began)
        self._set(end, ready=False, started=False)
        return end

    async def _spawn(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *[sys.executable, "-I", "-S", leash.__file__, str(os.getpid())],
            *self._start.command,
            env=dict(self._start.environment),
            cwd=self._start.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    async def _watch_health(self, process: asyncio.subprocess.Process, session: aiohttp.ClientSession) -> None:
        """Readiness and liveness are asked only once startup has succeeded, as in the kubelet."""
        if self._start.startup and not await self._first_verdict(self._start.startup, session):
            await self._end_unhealthy("startup", process)
            return
        self._status.started = True
        async with TaskGroup() as tasks:
            tasks.create_task(self._watch_readiness(session))
            tasks.create_task(self._watch_liveness(process, session))

    async def _first_verdict(self, probe: Probe, session: aiohttp.ClientSession) -> bool:
        async for healthy in verdicts(probe, session, probe.period):
            return healthy
        return True

    async def _watch_readiness(self, session: aiohttp.ClientSession) -> None:
        if self._start.readiness is None:
            self._set(self._status.state, ready=True, started=True)
            return
        async for ready in verdicts(self._start.readiness, session, EAGER_PERIOD):
            if ready != self._status.ready:
                self._set(self._status.state, ready=ready, started=True)

    async def _watch_liveness(self, process: asyncio.subprocess.Process, session: aiohttp.ClientSession) -> None:
        if self._start.liveness is None:
            return
        async for healthy in verdicts(self._start.liveness, session, self._start.liveness.period):
            if not healthy:
                await self._end_unhealthy("liveness", process)
                return

    async def _end_unhealthy(self, probe: str, process: asyncio.subprocess.Process) -> None:
        self._unhealthy = f"{probe} probe failed"
        await stop(process, self._start.grace)

    def _end(self, code: int, began: str) -> Terminated:
        if self._unhealthy:
            return Terminated(UNHEALTHY, "Error", began, self._now(), self._unhealthy)
        exit_code = 128 - code if code < 0 else code  # by a signal: 128 and its number, as in shells and kubelets
        return Terminated(exit_code, "Error" if exit_code else "Completed", began, self._now())

    def _set(self, state: State, *, ready: bool, started: bool) -> None:
        self._status.state, self._status.ready, self._status.started = state, ready, started
        self._changed()
