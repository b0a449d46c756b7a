"""The virtual node of one cluster, put together."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence

import structlog

from fleetloop.kube import Kube, Manifest
from fleetloop.kube.cache import Cache
from fleetloop.local.alongside import alongside
from fleetloop.local.control_plane import Keys
from fleetloop.local.network import API_PORT
from fleetloop.local.node.cloud import Cloud
from fleetloop.local.node.context import AddressPool, CommandBuilder, NodeContext
from fleetloop.local.node.kubelet import Kubelet
from fleetloop.local.node.pods import Pods, remove_strangers
from fleetloop.local.node.registration import facts_of_this_machine, keep_alive, register
from fleetloop.local.node.service_map import ServiceMap
from fleetloop.local.state import ClusterFolder
from fleetloop.task_group import TaskGroup

FIELD_MANAGER = "fleetloop-node"
Ear = Callable[[Manifest | None, Manifest | None], None]


def serve_command(component: str, arguments: Sequence[str]) -> Sequence[str]:
    """Our controllers run with the interpreter and the code that runs the node."""
    return [sys.executable, "-m", "fleetloop.serve", component, *arguments]


class VirtualNode:
    """Runs until cancelled; then every process it started is gone, while the pods stay bound for the next time."""

    def __init__(self, folder: ClusterFolder, keys: Keys, command: CommandBuilder, search_path: str) -> None:
        self.ready = asyncio.Event()
        self.pods: Pods | None = None
        self._folder = folder
        self._keys = keys
        self._command = command
        self._search_path = search_path

    async def run(self) -> None:
        async with Kube(self._keys.connection, field_manager=FIELD_MANAGER, user_agent=FIELD_MANAGER) as kube:
            node = self._context(kube)
            async with TaskGroup() as lives:
                self.pods = Pods(node, lives)
                kubelet = Kubelet(self.pods, node.clock)
                async with kubelet.serving(node.address, self._keys.kubelet, self._folder.pki, self._keys.authority):
                    await register(node)
                    await self._follow(node, self.pods, Cloud(kube, lives, node.claims, node.address))

    async def _follow(self, node: NodeContext, pods: Pods, cloud: Cloud) -> None:
        service_map = ServiceMap(self._folder.service_map)
        pod_cache = _cache(node.kube, "Pod", service_map.pod_changed, pods.changed)
        service_cache = _cache(node.kube, "Service", service_map.service_changed, cloud.service_changed)
        claims = _cache(node.kube, "PersistentVolumeClaim", cloud.claim_changed)
        volumes = _cache(node.kube, "PersistentVolume", cloud.volume_changed)
        async with contextlib.AsyncExitStack() as stack:
            for cache in (pod_cache, service_cache, claims, volumes):
                await stack.enter_async_context(alongside(cache.run()))
            await stack.enter_async_context(alongside(keep_alive(node)))
            await pod_cache.synced.wait()
            await asyncio.to_thread(remove_strangers, node, list(pod_cache))
            self.ready.set()
            await service_map.run(service_cache, pod_cache)

    def _context(self, kube: Kube) -> NodeContext:
        network = self._folder.network()
        return NodeContext(
            kube=kube,
            facts=facts_of_this_machine(self._folder.context),
            address=network.server,
            server=(network.server, API_PORT),
            folder=self._folder.pods,
            claims=self._folder.claims,
            service_map=self._folder.service_map,
            pool=AddressPool(network.pod_addresses()),
            command=self._command,
            search_path=self._search_path,
        )


class _Heard:
    """A cache's listener that tells several ears."""

    def __init__(self, ears: Sequence[Ear]) -> None:
        self._ears = ears

    def changed(self, old: Manifest | None, new: Manifest | None) -> None:
        for ear in self._ears:
            ear(old, new)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        """Manifests are kept as they are: there is nothing to decode."""

    def disturbed(self, error: Exception) -> None:
        structlog.get_logger().info("watch interrupted", error=str(error))


def _cache(kube: Kube, kind: str, *ears: Ear) -> Cache[Manifest]:
    return Cache[Manifest](kube, "v1", kind, lambda manifest: manifest, _Heard(ears))
