"""The temporary files of a controller: all in one folder, which the next one removes if this one is killed.

In a pod such files outlive the container, artifacts and keys among them, and fill the disk of one that is killed again and again.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fleetloop.removal import remove_tree

PREFIX = "controller-scratch-"


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A private folder in `parent`, without those of processes that are gone. Blocks. Raises OSError."""
    with contextlib.ExitStack() as stack:
        with _one_at_a_time(parent / f"{PREFIX}{os.getuid()}.lock"):
            for left in parent.glob(f"{PREFIX}*"):
                with contextlib.suppress(OSError), _locked(left):  # whoever lives holds it; others' folders cannot be opened
                    remove_tree(left)
            made = tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent, ignore_cleanup_errors=True)
            folder = Path(stack.enter_context(made))
            stack.enter_context(_locked(folder))
        yield folder


@contextlib.contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    """A folder that was just made is not locked yet, and nobody must take it for one that was left."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Raises OSError (BlockingIOError when another process has it). The lock goes with the process, however that ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
