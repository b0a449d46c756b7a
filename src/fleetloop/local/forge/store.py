"""Keeps the State in one JSON file: written whole, to a new file that replaces the old one.

Not a database: the forge of a laptop has few accounts and repositories, and Git keeps the rest.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from .model import State


class StateUnusable(Exception):
    """The state file cannot be read, or another forge uses the folder."""


class Store:
    """The state in memory and its file. Change `state`, then await `save` before telling anyone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = asyncio.Lock()
        self._asked = self._saved = 0
        try:
            self.state = msgspec.json.decode(file.read_bytes(), type=State) if file.exists() else State()
        except msgspec.DecodeError as error:
            raise StateUnusable(f"state file {file} cannot be read: {error}") from error

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


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make `folder` and keep it for this process alone; raises StateUnusable. The system lets go when the process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # it holds keys, tokens' digests and private repositories
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateUnusable(f"folder {folder} is in use by another forge") from error
        yield


def replace_file(file: Path, content: bytes, mode: int = 0o600) -> None:
    """Write `content` so that a reader, or a crash, sees the old file or the new one. Blocking."""
    draft = file.with_name(f".{file.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
