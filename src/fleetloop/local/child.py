"""A server that runs as a child process for as long as its owner wants, and is started again when it dies.

The child's stdin is a pipe that nobody writes to: its end tells the child that this process is gone. Pods are not
children of this kind, see `node.process`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import IO, TypeVar

import structlog

from fleetloop.local.alongside import alongside
from fleetloop.local.backoff import Backoff

LOG_LIMIT = 10 << 20
TAIL = 64 << 10

T = TypeVar("T")


class ServerDied(Exception):
    """The process ended before it was ready; the message ends with the last line it wrote."""


class ServerProcess:
    """`command` with its output in `log`; `grace`: seconds between SIGTERM and SIGKILL.

    A server may announce itself with one line on stdout; the rest of stdout belongs to the log. `tries`: so many starts
    until a server that is not ready counts as dead (a predecessor may hold its port for a moment).
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, grace: float = 20.0, tries: int = 1) -> None:
        self.name = name
        self.pid: int | None = None
        self._command = command
        self._log = log
        self._grace = grace
        self._first_line = ""
        self._announced = asyncio.Event()
        self._tries = tries
        self._dead = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, the process runs or is about to run again; afterwards it is gone."""
        async with alongside(self._keep_running()):
            yield

    async def announcement(self) -> str:
        """The first line on stdout. Raises ServerDied."""
        await self.until(self._announced.wait())
        return self._first_line

    async def until(self, ready: Awaitable[T]) -> T:
        """Waits for `ready`, or raises ServerDied when the process ends first."""
        async with alongside(self._raise_at_end()):
            result = await ready
        return result

    async def _raise_at_end(self) -> None:
        await self._dead.wait()
        raise ServerDied(f"{self.name} ended: {await asyncio.to_thread(last_line, self._log)}")

    async def _keep_running(self) -> None:
        backoff = Backoff(first=0.5, most=30.0)
        log = structlog.get_logger().bind(process=self.name)
        while True:
            with backoff.measured():
                code = await self._run_once()
            self._tries -= 1
            if self._tries <= 0:
                self._dead.set()
            pause = backoff.next_pause()
            log.warning("process ended, starting it again", exit_code=code, pause_seconds=pause)
            await asyncio.sleep(pause)

    async def _run_once(self) -> int:
        with await asyncio.to_thread(_open_log, self._log) as log:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C in a terminal is the owner's business
            )
            self.pid = process.pid
            try:
                await self._read_output(process, log)
                return await process.wait()
            finally:
                await stop(process, self._grace)
                self.pid = None

    async def _read_output(self, process: asyncio.subprocess.Process, log: IO[bytes]) -> None:
        assert process.stdout is not None  # asked for above
        async for line in process.stdout:
            if self._announced.is_set():
                log.write(line)
                log.flush()
            else:
                self._first_line = line.decode().strip()
                self._announced.set()


async def stop(process: asyncio.subprocess.Process, grace: float) -> None:
    """SIGTERM, and SIGKILL after `grace` seconds. Returns when the process is gone."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):  # it may end at this very moment
        process.terminate()
        try:
            async with asyncio.timeout(grace):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


def last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"


def _open_log(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".old.log"))
    return path.open("ab")
