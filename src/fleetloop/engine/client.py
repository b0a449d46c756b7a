"""Talks to one engine process. Knows frames and deadlines; which process for which verb is the business of `engines`."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson

from fleetloop.engine.errors import AnswerRefused, EngineError, EngineGone, EngineGoneMeanwhile, EngineKilled, EngineTimeout
from fleetloop.task_group import TaskGroup

MAX_FRAME = 256 << 20  # bytes; internal/rpc/frame.go holds the same number
EXIT_MEMORY = 70  # internal/worker/worker.go

log = logging.getLogger(__name__)


def frame(message: Mapping[str, object], limit: int = MAX_FRAME) -> bytes:
    """Length and JSON. Raises EngineError when it is too large (`limit` in bytes)."""
    body = orjson.dumps(message)
    if len(body) > limit:
        raise EngineError(f"call of {len(body)} bytes is larger than the limit of {limit}")
    return len(body).to_bytes(4) + body


Answer = Callable[[str, Any], Awaitable[Any]]  # what is asked, its arguments


async def _answer_to(question: dict[str, Any], answer: Answer | None) -> dict[str, Any]:
    if answer is None:
        return {"error": "nobody is here to answer"}
    try:
        return {"result": await answer(question["verb"], question.get("args"))}
    except AnswerRefused as refused:
        return {"error": str(refused)}


TELLING = ("fatal error:", "panic:", "engine:", "runtime:")
KEPT_COMPLAINTS = 20  # lines
FOREIGN_SIGNALS = {signal.SIGKILL, signal.SIGTERM}  # Go code that goes wrong ends by others


class Engine:
    """Calls to one process: many in flight, answers matched by id.

    Somebody awaits `run` for as long as the engine is used. A call that times out or is cancelled is cancelled in the
    process too; if it has not ended there after `grace` seconds the process is killed, since Go code cannot be stopped.
    """

    def __init__(self, process: Process, in_flight: int, grace: float) -> None:
        self._process, self._grace = process, grace
        self._slots = asyncio.Semaphore(in_flight)
        self._ids = itertools.count(1)
        self._calls: dict[int, asyncio.Queue[dict[str, Any] | EngineGone]] = {}  # what the process says to each
        self._leaving: dict[int, asyncio.TimerHandle] = {}  # cancelled calls that have not answered
        self._complaints: deque[str] = deque(maxlen=KEPT_COMPLAINTS)
        self._end: str | None = None  # why the process was or will be gone
        self._was_killed = False  # by others

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str], in_flight: int = 256, grace: float = 5.0
    ) -> "Engine":
        """Raises OSError. The process is a session of its own, so that its children end with it."""
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, cwd="/", start_new_session=True
        )
        return cls(process, in_flight, grace)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_usable(self) -> bool:
        return self._end is None

    @property
    def is_idle(self) -> bool:
        return not self._calls and not self._leaving

    async def call(self, verb: str, timeout: float, answer: Answer | None = None, **args: object) -> Any:
        """The verb's result. Raises EngineError (it refused), EngineTimeout after `timeout` seconds, EngineGone.

        `answer` is asked for what the verb needs from us while it runs; an AnswerRefused of its is told to the verb."""
        try:
            async with asyncio.timeout(timeout), self._slots:
                return await self._call(verb, args, answer)
        except TimeoutError as late:
            raise EngineTimeout(f"{verb} did not end within {timeout:g} s") from late

    async def _call(self, verb: str, args: Mapping[str, object], answer: Answer | None) -> Any:
        if self._end is not None:
            raise self._gone(self._end)
        call_id = next(self._ids)
        message = frame({"id": call_id, "verb": verb, "args": args})
        inbox = self._calls[call_id] = asyncio.Queue()
        try:
            self._write(message)
            await self._drain()
            reply = await inbox.get()
            while isinstance(reply, dict) and "question" in reply:
                reply = await self._after(reply, answer, inbox)
                if isinstance(reply, EngineGone) and not isinstance(reply, EngineKilled):
                    reply = EngineGoneMeanwhile(str(reply))
        except asyncio.CancelledError:
            self._abandon(call_id)
            raise
        finally:
            del self._calls[call_id]
        if isinstance(reply, EngineGone):
            raise reply
        if "error" in reply:
            raise EngineError(reply["error"])
        return reply["result"]

    async def _after(
        self, question: dict[str, Any], answer: Answer | None, inbox: asyncio.Queue[dict[str, Any] | EngineGone]
    ) -> dict[str, Any] | EngineGone:
        """What the process says after its question: to our answer, or because it could not wait for it."""
        answering = asyncio.ensure_future(_answer_to(question, answer))
        following = asyncio.ensure_future(inbox.get())
        try:
            await asyncio.wait({answering, following}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                self._write(frame({"id": question["question"], "verb": "answer", **answering.result()}))
                await self._drain()
            return await following
        finally:
            answering.cancel()
            following.cancel()

    def close(self) -> None:
        """Lets the process end by itself; calls in flight are lost."""
        self._end = self._end or "the engine was stopped"
        assert self._process.stdin
        self._process.stdin.close()

    def kill(self, reason: str) -> None:
        """Ends the process and its children at once. Calls in flight raise EngineGone(reason)."""
        self._end = self._end or reason
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def run(self) -> None:
        """Reads until the process ended; then every open call has failed with EngineGone. Cancelling it kills."""
        try:
            async with TaskGroup() as tasks:
                tasks.create_task(self._read_replies())
                tasks.create_task(self._read_complaints())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._grace):  # it closed its streams, so it is ending
                    await self._process.wait()
        finally:
            if self._process.returncode is None:
                self.kill("the engine was stopped")
            self._conclude(await self._process.wait())

    async def _read_replies(self) -> None:
        assert self._process.stdout
        reader = self._process.stdout
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4))
                if size > MAX_FRAME:
                    raise ValueError(f"frame of {size} bytes")
                reply = orjson.loads(await reader.readexactly(size))
                if "question" not in reply and (timer := self._leaving.pop(reply["id"], None)):
                    timer.cancel()
                if inbox := self._calls.get(reply["id"]):
                    inbox.put_nowait(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        except ValueError as broken:  # also of orjson
            self.kill(f"the engine was killed: it sent a broken frame: {broken}")

    async def _read_complaints(self) -> None:
        assert self._process.stderr
        try:
            while line := await self._process.stderr.readline():
                text = line.decode(errors="replace").rstrip()
                if text.startswith(TELLING) or len(self._complaints) < KEPT_COMPLAINTS:  # a stack trace hides no cause
                    self._complaints.append(text)
                log.debug("engine: %s", text)
        except (ValueError, ConnectionError):  # a line without end
            self.kill("the engine wrote an endless line")

    def _conclude(self, code: int) -> None:
        if self._end is None:
            self._end, self._was_killed = ended(code, self._complaints), -code in FOREIGN_SIGNALS
        for timer in self._leaving.values():
            timer.cancel()
        self._leaving.clear()
        for inbox in self._calls.values():
            inbox.put_nowait(self._gone(self._end))

    def _gone(self, why: str) -> EngineGone:
        return EngineKilled(why) if self._was_killed else EngineGone(why)

    def _abandon(self, call_id: int) -> None:
        if not self.is_usable:
            return
        reason = f"the engine was killed: a cancelled call went on for {self._grace:g} s"
        self._leaving[call_id] = asyncio.get_running_loop().call_later(self._grace, self.kill, reason)
        self._write(frame({"id": call_id, "verb": "cancel"}))

    def _write(self, message: bytes) -> None:
        assert self._process.stdin
        if not self._process.stdin.is_closing():  # it died a moment ago: `run` is about to tell every call
            self._process.stdin.write(message)

    async def _drain(self) -> None:
        assert self._process.stdin
        try:
            await self._process.stdin.drain()
        except ConnectionError:
            return  # `run` notices too, and knows why


def ended(code: int, complaints: Sequence[str]) -> str:
    """A sentence for the people whose calls were lost."""
    if code == EXIT_MEMORY:
        return "the engine ended: " + (complaints[-1].removeprefix("engine: ") if complaints else "memory limit passed")
    cause = next((line for line in complaints if line.startswith(TELLING)), "")
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"the engine ended with {how}" + (f": {cause}" if cause else "")
