"""CPU and memory of a process and of everything it started, from /proc (Linux)."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fleetloop.local.alongside import alongside

PROC = Path("/proc")
SAMPLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu` in seconds, `rss` in bytes: of the process itself, and of its children. Children that ended count for CPU only."""

    cpu: float
    children_cpu: float
    rss: int
    children_rss: int

    def __add__(self, other: "Usage") -> "Usage":
        rss, children_rss = self.rss + other.rss, self.children_rss + other.children_rss
        return Usage(self.cpu + other.cpu, self.children_cpu + other.children_cpu, rss, children_rss)


@dataclass(slots=True)
class Peak:
    """The largest seen, in bytes: of the sum, of the process itself, of its children."""

    total: int = 0
    own: int = 0
    children: int = 0

    def see(self, usage: Usage) -> None:
        self.total = max(self.total, usage.rss + usage.children_rss)
        self.own = max(self.own, usage.rss)
        self.children = max(self.children, usage.children_rss)


class Fields(NamedTuple):
    """Of a /proc/PID/stat line: CPU ticks, ticks of children waited for, resident pages."""

    ticks: int
    waited_ticks: int
    pages: int


def tree_of(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            for child in (PROC / str(pid) / "task" / task / "children").read_text().split():
                found += tree_of(int(child))
    return found


def usage_of(*pids: int) -> Usage:
    """Of all of them together. What has ended meanwhile counts as nothing."""
    found = Usage(0.0, 0.0, 0, 0)
    for pid in pids:
        found += _usage_of_one(pid)
    return found


def _usage_of_one(pid: int) -> Usage:
    own, *children = [_read(each) for each in tree_of(pid)]
    children_ticks = own.waited_ticks + sum(each.ticks + each.waited_ticks for each in children)
    second, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    return Usage(own.ticks / second, children_ticks / second, own.pages * page, sum(each.pages for each in children) * page)


def fields_of(stat: str) -> Fields:
    """The name in it may hold anything."""
    fields = stat.rpartition(")")[2].split()
    return Fields(sum(map(int, fields[11:13])), sum(map(int, fields[13:15])), int(fields[21]))


@contextlib.asynccontextmanager
async def watched(*pids: int) -> AsyncIterator[Peak]:
    """Samples the memory while the body runs."""
    peak = Peak()
    peak.see(usage_of(*pids))
    async with alongside(_sample(pids, peak)):
        yield peak
    peak.see(usage_of(*pids))


async def _sample(pids: tuple[int, ...], peak: Peak) -> None:
    while True:  # /proc gives no events
        await asyncio.sleep(SAMPLE_SECONDS)
        peak.see(usage_of(*pids))


def _read(pid: int) -> Fields:
    try:
        return fields_of((PROC / str(pid) / "stat").read_text())
    except OSError:
        return Fields(0, 0, 0)


def _tasks(pid: int) -> list[str]:
    try:
        return os.listdir(PROC / str(pid) / "task")
    except OSError:
        return []
