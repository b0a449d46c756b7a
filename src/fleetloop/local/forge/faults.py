"""Trouble on demand: makes chosen requests hang, break or be refused, so that clients can be tried against it.

Only set through the admin API; its own requests are never touched.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

Action = Literal["hang", "cut", "status"]
HANG_LIMIT = 300.0  # seconds


@dataclass(slots=True)
class Fault:
    """What to do to the next `count` requests whose method is `method` (empty: any) and path begins with `prefix`."""

    id: int
    action: Action
    prefix: str
    method: str
    count: int
    status: int
    message: str
    lifted: asyncio.Event


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._last = 0
        self._active: dict[int, Fault] = {}
        self._hanging = 0
        self._changed = asyncio.Condition()

    def add(self, action: Action, prefix: str, method: str, count: int, status: int, message: str) -> Fault:
        self._last += 1
        fault = Fault(self._last, action, prefix, method.upper(), count, status, message, asyncio.Event())
        self._active[fault.id] = fault
        return fault

    def lift(self) -> None:
        """End all faults; requests that hang are cut."""
        for fault in self._active.values():
            fault.lifted.set()
        self._active.clear()

    async def meet(self, request: web.Request) -> web.Response | None:
        """What the first fitting fault makes of a request; None when it may go on."""
        for fault in self._active.values():
            if fault.count > 0 and fault.method in {"", request.method} and request.path.startswith(fault.prefix):
                fault.count -= 1
                return await self._strike(fault, request)
        return None

    async def _strike(self, fault: Fault, request: web.Request) -> web.Response:
        if fault.action == "status":
            return web.json_response({"message": fault.message, "status": str(fault.status)}, status=fault.status)
        if fault.action == "hang":
            await self._hang(fault)
        if request.transport:
            request.transport.abort()
        return web.Response(status=500)

    async def until_hanging(self, count: int) -> None:
        """Return when at least `count` requests hang; raises TimeoutError."""
        async with asyncio.timeout(HANG_LIMIT), self._changed:
            await self._changed.wait_for(lambda: self._hanging >= count)

    async def _hang(self, fault: Fault) -> None:
        await self._count(1)
        try:
            async with asyncio.timeout(HANG_LIMIT):
                await fault.lifted.wait()
        finally:
            await self._count(-1)

    async def _count(self, step: int) -> None:
        async with self._changed:
            self._hanging += step
            self._changed.notify_all()
