"""One pod from the moment the node hears of it until it is gone: place, run or pretend, remove."""

import asyncio
import contextlib

from fleetloop.kube import Conflict, Manifest, NotFound, Unreachable, ref_of
from fleetloop.local.alongside import alongside
from fleetloop.local.node.components import component_of
from fleetloop.local.node.context import NodeContext
from fleetloop.local.node.placement import is_ours_to_place, obstacle
from fleetloop.local.node.pod_files import PodFiles
from fleetloop.local.node.pod_report import PodReport, patch_status
from fleetloop.local.node.pod_status import is_finished, is_ready, unschedulable
from fleetloop.local.node.pretence import pretend
from fleetloop.local.node.process_pod import ProcessPod

PRETENDED_ADDRESS = "10.244.0.2"  # pods that are only pretended answer nowhere, and may share one


class PodLife:
    """`observe` hears every version of the pod, `vanished` its end; `run` does what they ask for."""

    def __init__(self, node: NodeContext, pod: Manifest) -> None:
        self.pod = pod
        self.process: ProcessPod | None = None
        self._node = node
        self._ending = asyncio.Event()
        self._gone = asyncio.Event()
        self._newer = asyncio.Event()
        self.observe(pod)

    def observe(self, pod: Manifest) -> None:
        self.pod = pod
        self._newer.set()
        if pod["metadata"].get("deletionTimestamp"):
            self._ending.set()

    def vanished(self) -> None:
        self._gone.set()
        self._ending.set()

    async def run(self) -> None:
        """Returns when the pod is gone. Raises ApiError and Unreachable: call it again."""
        await self._until_placed()
        if self.pod["spec"].get("nodeName") == self._node.facts.name:
            if not self._ending.is_set() and not is_finished(self.pod):
                async with alongside(self._live()):
                    await self._ending.wait()
            await self._ending.wait()
            await self._remove()
        await self._gone.wait()

    async def _until_placed(self) -> None:
        while not self.pod["spec"].get("nodeName") and not self._ending.is_set():
            self._newer.clear()
            if is_ours_to_place(self.pod):
                problem = obstacle(self.pod, self._node.facts)
                if not problem and await self._bind():
                    return
                if problem:
                    await patch_status(self._node, self.pod, unschedulable(self.pod, problem, self._node.now()))
            async with alongside(self._wake_when_ending()):
                await self._newer.wait()

    async def _wake_when_ending(self) -> None:
        await self._ending.wait()
        self._newer.set()

    async def _bind(self) -> bool:
        """As the scheduler does it. False when the pod changed or went meanwhile, which the watch tells about."""
        metadata = self.pod["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node.facts.name},
        }
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/binding"
        status, _ = await self._node.kube.raw("POST", path, body)
        if status >= 500:
            raise Unreachable(f"binding {ref_of(self.pod)}: the API server answered {status}")
        if status < 400:
            self.pod = {**self.pod, "spec": self.pod["spec"] | {"nodeName": self._node.facts.name}}
        return status < 400

    async def _live(self) -> None:
        if component_of(self.pod):
            self.process = ProcessPod(self._node, self.pod)
            await self.process.run()
        elif not is_ready(self.pod):
            await pretend(self.pod, PodReport(self._node, self.pod, PRETENDED_ADDRESS), self._node.now())

    async def _remove(self) -> None:
        """The last word on a deleted pod is its node's: without it, a pod stays Terminating for ever."""
        metadata = self.pod["metadata"]
        with contextlib.suppress(NotFound, Conflict):
            await self._node.kube.delete(ref_of(self.pod), uid=metadata["uid"], grace_seconds=0)
        await PodFiles(self._node.pod_folder(metadata["namespace"], metadata["name"], metadata["uid"])).remove()
