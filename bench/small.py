"""What is quick to measure: controllers at rest, and the command line's answer times."""

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack

from bench.place import Place
from bench.report import median
from bench.usage import usage_of
from fleetloop.serve import COMPONENTS

SETTLE = 2.0
RUNS = 5


async def idle_rss(place: Place) -> dict[str, int]:
    """Each controller started with nothing to do, with what it started: component -> bytes."""
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(place.controller(component, number)) for number, component in enumerate(COMPONENTS)
        ]
        await asyncio.sleep(SETTLE)  # what a start allocates and gives back is not rest
        return {process.component: usage_of(process.pid).rss for process in processes}


async def command_seconds(place: Place) -> dict[str, float]:
    """The median wall time of a few runs each, after one that warms the file cache."""
    found = {}
    for arguments in (("--version",), ("get", "kustomizations", "--all-namespaces")):
        runs = [await _run(place, arguments) for _ in range(RUNS + 1)]
        found[" ".join(("fleetloop", *arguments))] = median(runs[1:])
    return found


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
