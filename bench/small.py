"""What is quick to measure: controllers at rest, and the command line's answer times."""

import asyncio
import os
import statistics
import sys
import time
from contextlib import AsyncExitStack

from bench.place import Place
from bench.report import MIB, Section
from bench.usage import usage_of
from fleetloop.serve import COMPONENTS

SETTLE = 2.0
RUNS = 5


async def measure(place: Place, section: Section) -> None:
    """MiB and milliseconds."""
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(place.controller(component, number)) for number, component in enumerate(COMPONENTS)
        ]
        await asyncio.sleep(SETTLE)  # what a start allocates and gives back is not rest
        for process in processes:
            usage = usage_of(process.pid)
            section.figures[f"{process.component}, MiB"] = (usage.rss + usage.children_rss) / MIB
    for arguments in (("--version",), ("get", "kustomizations", "--all-namespaces")):
        section.figures[" ".join(("fleetloop", *arguments)) + ", ms"] = await _median_seconds(place, arguments) * 1000


async def _median_seconds(place: Place, arguments: tuple[str, ...]) -> float:
    """Of a few runs, after one that warms the file cache."""
    runs = [await _run(place, arguments) for _ in range(RUNS + 1)]
    return statistics.median(runs[1:])


async def _run(place: Place, arguments: tuple[str, ...]) -> float:
    environment = {"PATH": os.environ["PATH"], "HOME": str(place.folder.path), "KUBECONFIG": str(place.folder.kubeconfig)}
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fleetloop.cli.main", *arguments),
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"fleetloop {' '.join(arguments)}: {complaint.decode().strip()}")
    return time.monotonic() - started
