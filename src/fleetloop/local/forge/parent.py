"""Ends the server with the process that started it, however that process ended."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def parent_watched(on_death: Callable[[], None]) -> Iterator[None]:
    """Call `on_death` on the running loop when the parent process ends. Linux, through a pidfd; elsewhere nothing happens."""
    if not hasattr(os, "pidfd_open"):
        yield
        return
    parent = os.getppid()
    descriptor = os.pidfd_open(parent)
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, on_death)
    if os.getppid() != parent:  # it ended before we could watch it
        on_death()
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
