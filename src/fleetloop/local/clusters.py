"""The clusters that a supervisor runs: each started once, each on its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import structlog

from fleetloop.kube import ApiError, Unreachable
from fleetloop.local import kubeconfig
from fleetloop.local.child import ServerDied
from fleetloop.local.cluster import ClusterSettings, EmbeddedCluster, described
from fleetloop.local.control_plane import NotReady
from fleetloop.local.network import NoFreeNetwork
from fleetloop.local.programs import ProgramMissing
from fleetloop.local.state import StateFolder
from fleetloop.task_group import TaskGroup

StartFailed = (ServerDied, NotReady, NoFreeNetwork, ProgramMissing, ApiError, Unreachable, OSError)


class Clusters:
    """Usable inside `keeping`; afterwards every cluster is stopped."""

    def __init__(self, state: StateFolder, settings: ClusterSettings) -> None:
        self._state = state
        self._settings = settings
        self._running: dict[str, tuple[EmbeddedCluster, asyncio.Future[None]]] = {}

    @contextlib.asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        async with TaskGroup() as self._tasks:
            self._stop = asyncio.Event()
            yield
            self._stop.set()

    async def ensure(self, name: str) -> None:
        """Returns when the cluster is ready. Raises BadClusterName and what StartFailed lists."""
        if name not in self._running:
            cluster = EmbeddedCluster(self._state.cluster(name), self._settings)
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._running[name] = (cluster, ready)
            self._tasks.create_task(self._run(name, cluster, ready))
        await asyncio.shield(self._running[name][1])  # whoever waits may leave; the cluster starts all the same

    def status(self) -> list[dict[str, Any]]:
        """Every cluster of the folder, running or not."""
        running = {name: cluster.status() for name, (cluster, _) in self._running.items()}
        return [running.get(folder.name) or described(folder) for folder in self._state.clusters()]

    async def _run(self, name: str, cluster: EmbeddedCluster, ready: "asyncio.Future[None]") -> None:
        try:
            async with cluster.running():
                await asyncio.to_thread(self._write_kubeconfig)
                ready.set_result(None)
                await self._stop.wait()
        except Exception as error:  # one cluster's end, or a bug in it, must not stop the others
            structlog.get_logger().error(
                "cluster ended", cluster=name, exc_info=not isinstance(error, StartFailed), error=str(error)
            )
            if not ready.done():
                ready.set_exception(error)
                ready.exception()  # seen, even if nobody waits any more
        finally:
            del self._running[name]

    def _write_kubeconfig(self) -> None:
        paths = [folder.kubeconfig for folder in self._state.clusters() if folder.kubeconfig.exists()]
        before = kubeconfig.read(self._state.kubeconfig)["current-context"] if self._state.kubeconfig.exists() else ""
        kubeconfig.write(self._state.kubeconfig, kubeconfig.merged([kubeconfig.read(path) for path in paths], before))
