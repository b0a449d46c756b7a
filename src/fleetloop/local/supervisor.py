"""The long-lived process that owns everything local: `python -m fleetloop.local.supervisor --dir DIR`.

`fleetloop local up` starts it and leaves; SIGTERM stops everything in order. When it dies in any other way, its children
die with it: servers see the end of their stdin, pods are on a leash.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import uvloop

from fleetloop.local.cluster import ClusterSettings
from fleetloop.local.clusters import Clusters
from fleetloop.local.control import ControlServer
from fleetloop.local.lock import AlreadyRunning, held_by_this_process
from fleetloop.local.network import NoFreeNetwork
from fleetloop.local.owner import owner_watched
from fleetloop.local.programs import ProgramMissing
from fleetloop.local.services import SharedServices
from fleetloop.local.state import StateFolder
from fleetloop.local.status import status_of

STOP_PATIENCE = 60.0  # then children are left to their leashes


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Runs what one folder holds. `owner`: a process to end with; 0 for none."""

    state: StateFolder
    settings: ClusterSettings
    owner: int = 0

    async def run(self, announce: Callable[[], None]) -> None:
        """Until SIGTERM or SIGINT. `announce` is called once commands can be sent. Raises ProgramMissing."""
        stop = _stop_signal()
        services = SharedServices(self.state, self.settings.programs)
        clusters = Clusters(self.state, self.settings)

        def status() -> dict[str, Any]:
            return status_of(self.state, clusters.status(), services.status(), os.getpid())

        watched = owner_watched(self.owner, stop.set) if self.owner else contextlib.nullcontext()
        control = ControlServer(clusters.ensure, services.until_ready, status)
        async with services.running(), clusters.keeping(), control.serving(self.state.path):
            with watched:
                announce()
                await stop.wait()
            asyncio.get_running_loop().call_later(STOP_PATIENCE, os._exit, 1)


def _stop_signal() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m fleetloop.local.supervisor", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="folder that keeps all state")
    parser.add_argument("--detach", action="store_true", help="go on in the background, with the output in the folder's log")
    parser.add_argument("--unsafe-no-fsync", action="store_true", help="faster clusters that a power cut may damage")
    parser.add_argument("--owner", type=int, default=0, metavar="PID", help="end when that process has ended")
    given = parser.parse_args(arguments)
    state = StateFolder(given.dir.resolve())
    state.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if given.detach:
        detach(state.log)
    settings = ClusterSettings(
        api_server_flags=("--unsafe-no-fsync",) if given.unsafe_no_fsync else (),
        search_path=environment.get("PATH", os.defpath),
    )
    try:
        with held_by_this_process(state.lock):
            uvloop.run(Supervisor(state, settings, given.owner).run(announce))
    except (AlreadyRunning, ProgramMissing, NoFreeNetwork, OSError) as error:
        structlog.get_logger().error("supervisor ended", error=str(error))
        print(f"{FAILED}{error}", flush=True)
        return 1
    return 0


READY = "ready"
FAILED = "failed: "


def announce() -> None:
    """One line on stdout for whoever started this process; then stdout is the log's."""
    print(READY, flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def detach(log: Path) -> None:
    """Leaves the caller's session and terminal; stdout stays, for one line."""
    if os.fork():
        os._exit(0)
    os.setsid()
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(target, sys.stderr.fileno())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, sys.stdin.fileno())


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    sys.exit(main(sys.argv[1:], os.environ))
