"""CPU and memory of a process with everything it started, from /proc (Linux)."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from fleetloop.local.alongside import alongside

PROC = Path("/proc")
SAMPLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu` in seconds, children that ended included; `rss` in bytes, of the living."""

    cpu: float
    rss: int


@dataclass(slots=True)
class Peak:
    """The largest sum of RSS seen."""

    rss: int = 0


def tree_of(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            for child in (PROC / str(pid) / "task" / task / "children").read_text().split():
                found += tree_of(int(child))
    return found


def usage_of(pid: int) -> Usage:
    """Of the whole tree. What has ended meanwhile counts as nothing."""
    ticks, pages = 0, 0
    for each in tree_of(pid):
        with contextlib.suppress(OSError):
            used, resident = fields_of((PROC / str(each) / "stat").read_text())
            ticks += used
            pages += resident
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def fields_of(stat: str) -> tuple[int, int]:
    """CPU ticks (own and of children waited for) and resident pages of a /proc/PID/stat line; the name may hold anything."""
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])), int(fields[21])


@contextlib.asynccontextmanager
async def watched(pid: int) -> AsyncIterator[Peak]:
    """Samples the tree's memory while the body runs."""
    peak = Peak(usage_of(pid).rss)
    async with alongside(_sample(pid, peak)):
        yield peak
    peak.rss = max(peak.rss, usage_of(pid).rss)


async def _sample(pid: int, peak: Peak) -> None:
    while True:  # /proc gives no events
        await asyncio.sleep(SAMPLE_SECONDS)
        peak.rss = max(peak.rss, usage_of(pid).rss)


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(PROC / str(pid) / "task")
    except OSError:
        return []
