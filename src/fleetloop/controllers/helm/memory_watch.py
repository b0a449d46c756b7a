"""Ends the process in order before the kernel ends it: gate OOMWatch. Flux: helm-notification-image.md 2.15.

What was under way is left pending and healed by the next process.
"""

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from fleetloop.runtime.log import logger

SHORTEST_INTERVAL = 0.05  # seconds
PLACES = (  # of the control group's limit and use: version 2, version 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """`threshold` in percent of the limit, `interval` in seconds; paths "" for the usual ones."""

    threshold: int
    interval: float
    max_path: str
    current_path: str


async def watch_memory(limits: MemoryLimits) -> None:
    """Returns when it has asked this process to end, or where there is no limit."""
    bound, now = _bound(limits)
    if not bound:
        logger().info("no memory limit, nothing to watch")
        return
    while (used := int(now.read_text())) < bound:  # noqa: ASYNC110  # the kernel tells nobody
        await asyncio.sleep(limits.interval)
    logger().error("memory is nearly used up, ending in order", used=used, bound=bound)
    os.kill(os.getpid(), signal.SIGTERM)


def _bound(limits: MemoryLimits) -> tuple[int, Path]:
    """In bytes, 0 for none; and where the use is told."""
    for usual_max, usual_current in PLACES:
        top = Path(limits.max_path or usual_max)
        if top.is_file() and (limit := top.read_text().strip()).isdecimal():
            return int(limit) * limits.threshold // 100, Path(limits.current_path or usual_current)
    return 0, Path()
