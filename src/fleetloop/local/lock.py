"""One supervisor a folder. The lock is the kernel's, so that a dead supervisor holds nothing."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

POLL = 0.05


class AlreadyRunning(Exception):
    """Another supervisor has the folder."""


@contextlib.contextmanager
def held_by_this_process(path: Path) -> Iterator[None]:
    """Holds the lock, with this process's id in it. Raises AlreadyRunning."""
    with path.open("a+") as file:
        if not _try_lock(file.fileno()):
            raise AlreadyRunning(f"another supervisor runs on {path.parent}")
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
        file.truncate(0)


def holder(path: Path) -> int | None:
    """The process id of the supervisor that holds the lock; None when nobody does."""
    if not path.exists():
        return None
    with path.open("r") as file:
        if _try_lock(file.fileno()):
            return None
        text = file.read().strip()
    return int(text) if text else None


def wait_until_free(path: Path, patience: float) -> bool:
    """Blocks for `patience` seconds at most; whether nobody holds the lock."""
    deadline = time.monotonic() + patience
    while holder(path) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)  # the kernel tells nobody else that a lock was released
    return True


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
