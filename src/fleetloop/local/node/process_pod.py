"""A pod of one of fleetloop's controllers: its container `manager` is a process here, other containers are pretended."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fleetloop.kube import ApiError, Manifest, Unreachable
from fleetloop.local.alongside import alongside
from fleetloop.local.backoff import Backoff
from fleetloop.local.node.components import component_of, started_container
from fleetloop.local.node.container_view import MissingReference, Mount, environment_of, expand, translate
from fleetloop.local.node.context import NodeContext
from fleetloop.local.node.log_file import LogWriter
from fleetloop.local.node.pod_files import SERVICE_ACCOUNT_PATH, PodFiles, gather_sources
from fleetloop.local.node.pod_report import PodReport
from fleetloop.local.node.pod_status import ContainerStatus, Running, Terminated, Waiting
from fleetloop.local.node.probes import Probe
from fleetloop.local.node.process import ContainerRun, Start

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # a kubelet begins with 10 s; here somebody is watching
RENEW_EVERY = 60.0
DEFAULT_GRACE = 30.0


class ProcessPod:
    """Runs until cancelled; then the process is gone."""

    def __init__(self, node: NodeContext, pod: Manifest) -> None:
        metadata = pod["metadata"]
        self.pod = pod
        self.address = node.pool.take()
        folder = node.pod_folder(metadata["namespace"], metadata["name"], metadata["uid"])
        self.files = PodFiles.of(pod, folder, node.claims)
        self.log: LogWriter | None = None
        self._run_now: ContainerRun | None = None
        self._node = node
        self._component = component_of(pod)
        self._container = started_container(pod)
        self._report = PodReport(node, pod, self.address)
        self._changed = asyncio.Event()
        self._statuses = [_status_before(pod, c, node.now()) for c in pod["spec"]["containers"]]
        self._status = next(s for s in self._statuses if s.name == self._container["name"])

    @property
    def container_name(self) -> str:
        return self._status.name

    @property
    def pid(self) -> int | None:
        """None between two runs."""
        return self._run_now.pid if self._run_now else None

    @property
    def restarts(self) -> int:
        return self._status.restarts

    async def run(self) -> None:
        try:
            async with alongside(self._publish()), alongside(self._renew_files()):
                await self._keep_running()
        finally:
            self._node.pool.give_back(self.address)

    async def _keep_running(self) -> None:
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            start = await self._prepared()
            with backoff.measured():
                self._status.last = await self._run_once(start)
            pause = backoff.next_pause()
            self._status.state = Waiting("CrashLoopBackOff", f"back-off {pause:g}s restarting failed container")
            self._changed.set()
            await asyncio.sleep(pause)  # the back-off itself
            self._status.restarts += 1

    async def _run_once(self, start: Start) -> Terminated:
        self.log = LogWriter(self.files.log(self._container["name"], self.restarts), self._node.clock)
        self.files.log(self._container["name"], self.restarts - 2).unlink(missing_ok=True)  # kubelets keep two
        self._run_now = ContainerRun(start, self._status, self._changed.set, self._node.now)
        try:
            return await self._run_now.until_end(self.log)
        finally:
            self._run_now = None
            await self.log.close()

    async def _prepared(self) -> Start:
        """Waits for what the pod needs and is not there yet, as a kubelet does."""
        while True:
            try:
                return await self._prepare()
            except MissingReference as error:
                self._status.state = Waiting("CreateContainerConfigError", str(error))
                self._changed.set()
            except (ApiError, Unreachable) as error:
                self._status.state = Waiting("ContainerCreating", str(error))
                self._changed.set()
            await asyncio.sleep(FIRST_PAUSE)

    async def _prepare(self) -> Start:
        sources = await gather_sources(self.pod, self._node.kube)
        await self.files.fill(self.pod, self._node.kube, sources)
        placed = {**self.pod, "status": (self.pod.get("status") or {}) | {"podIP": self.address, "hostIP": self._node.address}}
        variables = environment_of(self._container, placed, sources)
        mounts = self.files.mounts(self._container)
        arguments = [translate(expand(text, variables), mounts) for text in self._container.get("args") or []]
        translated = {name: translate(value, mounts) for name, value in variables.items()}
        return Start(
            command=self._node.command(self._component, arguments),
            environment=self._process_environment(mounts) | translated,
            folder=self.files.home,
            grace=float(self.pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE)),
            startup=self._probe("startupProbe"),
            readiness=self._probe("readinessProbe"),
            liveness=self._probe("livenessProbe"),
        )

    def _process_environment(self, mounts: list[Mount]) -> dict[str, str]:
        """What a container runtime would set, and what stands for the missing network and file system namespaces."""
        host, port = self._node.server
        folders = {mount.path.rstrip("/"): mount.folder for mount in mounts}
        found = {
            "PATH": self._node.search_path,
            "LANG": "C.UTF-8",
            "HOME": str(self.files.home),
            "HOSTNAME": self.pod["metadata"]["name"],
            "TMPDIR": str(folders["/tmp"]),
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": str(port),
            "FLEETLOOP_BIND_ADDRESS": self.address,
            "FLEETLOOP_SERVICE_MAP": str(self._node.service_map),
        }
        account = folders.get(SERVICE_ACCOUNT_PATH)
        return found | ({"FLEETLOOP_SERVICE_ACCOUNT_DIR": str(account)} if account else {})

    def _probe(self, name: str) -> Probe | None:
        document: Mapping[str, Any] | None = self._container.get(name)
        return Probe.of(document, self.address, self._container.get("ports") or []) if document else None

    async def _publish(self) -> None:
        while True:
            await self._report.tell(self._statuses)
            await self._changed.wait()
            self._changed.clear()

    async def _renew_files(self) -> None:
        """Tokens expire, and Secrets change: files follow, as in the kubelet, within a minute or so."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            try:
                await self.files.fill(self.pod, self._node.kube, await gather_sources(self.pod, self._node.kube))
            except (MissingReference, ApiError, Unreachable):
                continue  # the files stay as they are, and are tried again


def _status_before(pod: Manifest, container: Mapping[str, Any], now: str) -> ContainerStatus:
    """Sidecars are ready at once. A container that ran under an earlier supervisor counts as restarted."""
    name, image = container["name"], container["image"]
    if container is not started_container(pod):
        return ContainerStatus(name, image, Running(now), ready=True, started=True)
    earlier = (pod.get("status") or {}).get("containerStatuses") or []
    before = next((s for s in earlier if s["name"] == name), None)
    if before is None or not (before["restartCount"] or "running" in before["state"]):
        return ContainerStatus(name, image)
    began = (before["state"].get("running") or {}).get("startedAt") or now
    lost = Terminated(255, "Unknown", began, now, "the node was stopped")
    return ContainerStatus(name, image, last=lost, restarts=before["restartCount"] + 1)
