"""Remembers the last requests (who, what, which answer), so that a test or a person can see what a client did."""

from collections import deque
from dataclasses import dataclass

REMEMBERED = 1000


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

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)

    def entries(self) -> list[Entry]:
        return list(self._entries)

    def forget(self) -> None:
        self._entries.clear()
