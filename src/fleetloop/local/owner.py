"""Ends this process's work when another process, not necessarily its parent, is gone: tests own supervisors this way."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def owner_watched(pid: int, gone: Callable[[], None]) -> Iterator[None]:
    """Calls `gone` on the running loop once process `pid` has ended, or has never been. Linux only."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        gone()
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, gone)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
