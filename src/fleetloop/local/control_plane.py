"""The servers of one embedded cluster: keys, API server, controllers. The node is `local.node`'s."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from fleetloop.kube import Connection, Kube, from_document
from fleetloop.local import kubeconfig
from fleetloop.local.child import ServerProcess
from fleetloop.local.network import API_PORT
from fleetloop.local.pki import Authority, Pair, ensure_service_account_keys
from fleetloop.local.programs import Programs
from fleetloop.local.state import ClusterFolder

SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"  # of the Service `kubernetes`: the first of the range
SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
START_PATIENCE = 90.0
POLL = 0.05
ADMINISTRATORS = ["system:masters"]


class NotReady(Exception):
    """The cluster did not become ready in time; the message names the part that is missing."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What the parts of a cluster prove themselves with."""

    authority: str
    kubelet: Pair
    connection: Connection


class ControlPlane:
    """`flags`: more flags for the API server, as tests want them."""

    def __init__(self, folder: ClusterFolder, programs: Programs, flags: tuple[str, ...] = ()) -> None:
        address = folder.network().server
        self.server = f"https://{address}:{API_PORT}"
        self.keys = _write_keys(folder, self.server)
        common = ["--pki-dir", str(folder.pki), "--exit-with-parent"]
        place = ["--state-dir", str(folder.store), "--bind-address", address, "--port", str(API_PORT)]
        self.api_server = ServerProcess(
            f"{folder.name}/apiserver",
            [str(programs.cluster), "apiserver", *common, *place, "--service-cluster-ip-range", SERVICE_RANGE, *flags],
            folder.log("apiserver"),
        )
        self.controller_manager = ServerProcess(
            f"{folder.name}/controller-manager",
            [str(programs.cluster), "controller-manager", *common, "--kubeconfig", str(folder.controllers_kubeconfig)],
            folder.log("controller-manager"),
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Inside, the cluster answers and runs its controllers. Raises ServerDied, NotReady."""
        async with self.api_server.running():
            await self.api_server.until(self._until_answering())
            async with self.controller_manager.running():
                await self.controller_manager.until(self._until_controlled())
                yield

    async def _until_answering(self) -> None:
        deadline = time.monotonic() + START_PATIENCE
        connector = aiohttp.TCPConnector(ssl=self.keys.connection.ssl_context())
        async with aiohttp.ClientSession(connector=connector) as session:
            while not await _is_ready(session, f"{self.server}/readyz"):
                if time.monotonic() > deadline:
                    raise NotReady(f"{self.api_server.name} is not ready after {START_PATIENCE:g}s")
                await asyncio.sleep(POLL)

    async def _until_controlled(self) -> None:
        """Pods can be created once the default service account is there, which a controller makes."""
        try:
            async with asyncio.timeout(START_PATIENCE), Kube(self.keys.connection) as kube:
                async for event in kube.watch("v1", "ServiceAccount", "default", field_selector="metadata.name=default"):
                    if event.type in {"ADDED", "MODIFIED"}:
                        return
        except TimeoutError:
            pass
        raise NotReady(f"{self.controller_manager.name} made no default service account within {START_PATIENCE:g}s")


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=5)) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _write_keys(folder: ClusterFolder, server: str) -> Keys:
    """Takes some 10 ms, and happens once a start."""
    address = folder.network().server
    authority = Authority.ensure(folder.pki, folder.context)
    ensure_service_account_keys(folder.pki)
    hosts = [address, "127.0.0.1", SERVICE_ADDRESS, "localhost", *SERVICE_NAMES]
    authority.issue_server("kube-apiserver", hosts).write(folder.pki, "apiserver")
    authority.issue_client("kube-apiserver-kubelet-client", ADMINISTRATORS).write(folder.pki, "kubelet-client")
    people = kubeconfig.kubeconfig_of(
        folder.context, server, authority.pem, authority.issue_client("fleetloop-admin", ADMINISTRATORS)
    )
    kubeconfig.write(folder.kubeconfig, people)
    manager = authority.issue_client("system:kube-controller-manager", ADMINISTRATORS)
    kubeconfig.write(folder.controllers_kubeconfig, kubeconfig.kubeconfig_of(folder.context, server, authority.pem, manager))
    return Keys(
        authority=authority.pem,
        kubelet=authority.issue_server("kubelet", [address, folder.context]),
        connection=from_document(people),
    )
