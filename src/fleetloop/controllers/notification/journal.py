"""Accepted events on disk until every alert's provider has them: what survives a kill. Flux keeps them in memory only.

One file of JSON lines: an event, a delivery of it, its end. Lines are appended whole; a last one that is torn does not count. The
file is written anew when most of it is history. Blocking but for what is read from memory; one process writes.
"""

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

_FILE = "events.jsonl"
_HISTORY = 8 << 20  # bytes that are worth writing the file anew


@dataclass(slots=True)
class Kept:
    """An event that was accepted. `raw`: its JSON; `at`: seconds since 1970; `done`: alerts whose provider has it. Of one `key`
    there may be several, when the first waits for longer than equal events are held back."""

    key: str
    at: float
    raw: bytes
    done: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        return f"{self.key}@{self.at!r}"


class Journal:
    """`lifetime`: seconds that an ended event's key is remembered for, so that it is known again."""

    def __init__(self, folder: Path, lifetime: float) -> None:
        self._folder, self._lifetime = folder, lifetime
        self._lock = threading.Lock()
        self._events: dict[str, Kept] = {}
        self._ended: dict[str, float] = {}  # key -> when one was accepted last
        self._file = self._held = -1
        self._size = 0

    def open(self, now: float) -> None:
        """Reads what is there. Raises OSError, BlockingIOError when another process has the folder."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._held = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with the process, however that ends
        for record in _records(self._folder / _FILE):
            self._take(record)
        with self._lock:
            self._rewrite(now)

    def close(self) -> None:
        for descriptor in (self._file, self._held):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._held = -1

    def waiting(self) -> list[Kept]:
        return list(self._events.values())

    def known(self) -> list[tuple[str, float]]:
        """Keys of everything accepted within the lifetime, with the time."""
        return [*self._ended.items(), *((kept.key, kept.at) for kept in self._events.values())]

    def __len__(self) -> int:
        return len(self._events)

    @property
    def size(self) -> int:
        """Bytes of the file: what waits, and a bounded history."""
        return self._size

    def add(self, kept: Kept) -> None:
        """Raises OSError when it cannot be kept."""
        self._write({"event": kept.key, "at": kept.at, "raw": kept.raw.decode()})

    def delivered(self, id: str, alert: str) -> None:
        """Raises OSError."""
        self._write({"delivered": id, "alert": alert})

    def end(self, id: str, now: float) -> None:
        """Nothing is left to do for it. Raises OSError."""
        self._write({"end": id})
        with self._lock:
            if self._size > _HISTORY + 2 * sum(len(kept.raw) for kept in self._events.values()):
                self._rewrite(now)

    def _write(self, record: dict[str, Any]) -> None:
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        with self._lock:
            self._take(record)
            _write_all(self._file, line)
            self._size += len(line)

    def _take(self, record: dict[str, Any]) -> None:
        if key := record.get("event"):
            kept = Kept(key, float(record["at"]), record["raw"].encode(), set(record.get("done", ())))
            self._events[kept.id] = kept
        elif id := record.get("delivered"):
            if found := self._events.get(id):
                found.done.add(record["alert"])
        elif (id := record.get("end")) and (ended := self._events.pop(id, None)):
            self._ended[ended.key] = ended.at
        elif key := record.get("ended"):
            self._ended[key] = float(record["at"])

    def _rewrite(self, now: float) -> None:
        self._ended = {key: at for key, at in self._ended.items() if at + self._lifetime > now}
        fresh = self._folder / f"{_FILE}.new"
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            content = b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in self._current())
            _write_all(file, content)
            os.replace(fresh, self._folder / _FILE)
        except OSError:
            os.close(file)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size = file, len(content)

    def _current(self) -> Iterable[dict[str, Any]]:
        for key, at in self._ended.items():
            yield {"ended": key, "at": at}
        for kept in self._events.values():
            yield {"event": kept.key, "at": kept.at, "raw": kept.raw.decode(), "done": sorted(kept.done)}


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for line in content.split(b"\n"):
        try:
            record = orjson.loads(line)
        except ValueError:
            continue  # torn by a kill
        if isinstance(record, dict):
            yield record


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
