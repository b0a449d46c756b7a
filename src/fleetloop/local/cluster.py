"""One embedded cluster: its control plane and its node."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from fleetloop.local.alongside import alongside
from fleetloop.local.control_plane import ControlPlane
from fleetloop.local.network import API_PORT
from fleetloop.local.node.context import CommandBuilder
from fleetloop.local.node.node import VirtualNode, serve_command
from fleetloop.local.programs import Programs
from fleetloop.local.state import ClusterFolder


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """`api_server_flags`: of fleetloop-cluster's role apiserver. `command`: how the node starts our controllers, with
    `search_path` as their PATH (they need git and ssh)."""

    programs: Programs = field(default_factory=Programs)
    api_server_flags: tuple[str, ...] = ()
    command: CommandBuilder = serve_command
    search_path: str = os.defpath


class EmbeddedCluster:
    """A cluster that can be started on what an earlier one left in its folder."""

    def __init__(self, folder: ClusterFolder, settings: ClusterSettings) -> None:
        self.folder = folder
        self.ready = False
        self._settings = settings
        self._control_plane: ControlPlane | None = None
        self._node: VirtualNode | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, the cluster is ready: it takes pods and runs them. Raises ServerDied, NotReady, NoFreeNetwork."""
        settings = self._settings
        control_plane = await asyncio.to_thread(ControlPlane, self.folder, settings.programs, settings.api_server_flags)
        self._control_plane = control_plane
        async with control_plane.running():
            self._node = VirtualNode(self.folder, control_plane.keys, settings.command, settings.search_path)
            async with alongside(self._node.run()):
                await self._node.ready.wait()
                self.ready = True
                try:
                    yield
                finally:
                    self.ready = False

    def status(self) -> dict[str, Any]:
        """For people and scripts: names as they appear in JSON."""
        return described(self.folder) | {
            "ready": self.ready,
            "pids": self._pids(),
            "pods": self._processes(),
        }

    def _pids(self) -> dict[str, int]:
        if self._control_plane is None:
            return {}
        servers = {"apiserver": self._control_plane.api_server, "controller-manager": self._control_plane.controller_manager}
        return {name: server.pid for name, server in servers.items() if server.pid}

    def _processes(self) -> list[dict[str, Any]]:
        if self._node is None or self._node.pods is None:
            return []
        return [
            {
                "namespace": life.pod["metadata"]["namespace"],
                "name": life.pod["metadata"]["name"],
                "address": life.process.address,
                "pid": life.process.pid,
                "restarts": life.process.restarts,
            }
            for life in self._node.pods.all()
            if life.process
        ]


def described(folder: ClusterFolder) -> dict[str, Any]:
    """A cluster that is not running."""
    return {
        "name": folder.name,
        "context": folder.context,
        "kubeconfig": str(folder.kubeconfig),
        "server": f"https://{folder.network().server}:{API_PORT}",
        "ready": False,
        "pids": {},
        "pods": [],
    }
