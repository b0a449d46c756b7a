"""Keeps the State in one JSON file: written whole, to a new file that replaces the old one.

Not a database: the forge of a laptop has few accounts and repositories, and Git keeps the rest.
"""

import asyncio
import os
from pathlib import Path

import msgspec

from .model import State


class Store:
    """The state in memory and its file. Change `state`, then await `save` before telling anyone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = asyncio.Lock()
        self._asked = self._saved = 0
        self.state = msgspec.json.decode(file.read_bytes(), type=State) if file.exists() else State()

    async def save(self) -> None:
        """Return when all changes made so far are on disk. Callers that wait for the same write share it."""
        self._asked += 1
        mine = self._asked
        async with self._lock:
            if self._saved >= mine:
                return
            covered, document = self._asked, msgspec.json.encode(self.state)
            await asyncio.to_thread(replace_file, self._file, document)
            self._saved = covered


def replace_file(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Write `content` so that a reader, or a crash, sees the old file or the new one. Blocking."""
    draft = file.with_name(f".{file.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
