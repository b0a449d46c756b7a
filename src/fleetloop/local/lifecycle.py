"""The verbs of `fleetloop local`: up, down, reset, status. Each may be repeated at any time."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from fleetloop.local import lock
from fleetloop.local.control import ControlClient
from fleetloop.local.state import StateFolder
from fleetloop.local.status import status_at_rest
from fleetloop.local.supervisor import FAILED, READY

STOP_PATIENCE = 70.0
CONNECT_PATIENCE = 60.0
CONNECT_POLL = 0.1


class LocalError(Exception):
    """What was asked for could not be done; the message says which part failed, and where its log is."""


# (cluster, event): "starting", "ready", or what went wrong
Progress = Callable[[str, str], None]


async def up(state: StateFolder, names: Sequence[str], tell: Progress, flags: Sequence[str] = ()) -> dict[str, Any]:
    """Starts what is not running, and returns the status of everything. Without names: every cluster that was here before.

    `flags`: more flags for a new supervisor. Raises BadClusterName, LocalError.
    """
    wanted = list(names) or [folder.name for folder in state.clusters()]
    for name in wanted:
        state.cluster(name)  # BadClusterName
    client = ControlClient(state.path)
    await _ensure_supervisor(state, client, flags)
    failures = []
    async for step in client.start_clusters(wanted):
        if "error" in step:
            failures.append(step["error"])
        if step["cluster"] in wanted:
            tell(step["cluster"], step.get("error") or step["event"])
    if failures:
        raise LocalError("; ".join(failures))
    return await client.status()


async def down(state: StateFolder) -> bool:
    """Stops everything and keeps its state; False when nothing ran. Raises LocalError."""
    pid = lock.holder(state.lock)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    if not await asyncio.to_thread(lock.wait_until_free, state.lock, STOP_PATIENCE):
        raise LocalError(f"supervisor {pid} did not end within {STOP_PATIENCE:g}s; its log is {state.log}")
    return True


async def reset(state: StateFolder) -> None:
    """Stops everything and removes its state. Files in the folder that are not ours stay."""
    await down(state)
    for folder in (state.path / "clusters", state.forge, state.registry, state.pki, state.path / "logs"):
        await asyncio.to_thread(shutil.rmtree, folder, True)
    for file in (state.kubeconfig, state.path / "network", state.lock, state.log):
        await asyncio.to_thread(file.unlink, True)


async def status(state: StateFolder) -> dict[str, Any]:
    """See `local.status`."""
    try:
        return await ControlClient(state.path).status()
    except (OSError, aiohttp.ClientError):
        return status_at_rest(state)


async def _ensure_supervisor(state: StateFolder, client: ControlClient, flags: Sequence[str]) -> None:
    """Returns when a supervisor answers: the one that is there, one that another `up` just starts, or a new one."""
    try:
        async with asyncio.timeout(CONNECT_PATIENCE):
            while True:
                if lock.holder(state.lock) is None:
                    await asyncio.to_thread(_start_supervisor, state, flags)
                with contextlib.suppress(OSError, aiohttp.ClientError):
                    await client.status()
                    return
                await asyncio.sleep(CONNECT_POLL)  # a holder that does not answer is about to listen, or to die
    except TimeoutError:
        raise LocalError(f"the supervisor does not answer after {CONNECT_PATIENCE:g}s; its log is {state.log}") from None


def _start_supervisor(state: StateFolder, flags: Sequence[str]) -> None:
    """Blocks until it listens, or found that another one was quicker."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fleetloop.local.supervisor", "--dir", str(state.path), "--detach", *flags],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.communicate()[0].strip()
    if line != READY and lock.holder(state.lock) is None:
        raise LocalError(
            f"the supervisor did not start: {line.removeprefix(FAILED) or 'it said nothing'}; its log is {state.log}"
        )
