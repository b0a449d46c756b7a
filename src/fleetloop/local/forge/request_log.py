"""Remembers the last requests (who, what, which answer), so that a test or a person can see what a client did."""

import asyncio
from collections import deque
from dataclasses import dataclass

REMEMBERED = 1000
PATIENCE = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """`user` is empty for anonymous requests. No header and no body is kept."""

    time: str
    method: str
    path: str
    query: str
    status: int
    user: str
    accept: str


class RequestLog:
    """A bounded memory, newest last."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=REMEMBERED)
        self._added = asyncio.Condition()

    async def add(self, entry: Entry) -> None:
        async with self._added:
            self._entries.append(entry)
            self._added.notify_all()

    async def until(self, prefix: str) -> None:
        """Return when a request to a path with that beginning has been answered; raises TimeoutError."""
        async with asyncio.timeout(PATIENCE), self._added:
            await self._added.wait_for(lambda: any(entry.path.startswith(prefix) for entry in self._entries))

    def entries(self) -> list[Entry]:
        return list(self._entries)

    def forget(self) -> None:
        self._entries.clear()
