"""Where it is measured: an API server, a controller of ours, and a server of artifacts. All of it goes with the context."""

import asyncio
import contextlib
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.applications import FLOOR_NAMESPACE, KUSTOMIZE_API, NAMESPACE, source
from bench.counting import flow_schemas
from bench.following import Follower
from bench.revisions import Revision
from fleetloop.api import names
from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS
from fleetloop.kube import Kube, Manifest, ObjectRef
from fleetloop.local import kubeconfig
from fleetloop.local.child import last_line, stop
from fleetloop.local.control_plane import ControlPlane, NotReady
from fleetloop.local.pki import Authority
from fleetloop.local.programs import Programs
from fleetloop.local.state import ClusterFolder

USER = "bench-controller"
WORKERS = 20  # as the peer was measured
STORING = {names.SOURCE_CONTROLLER, names.SOURCE_WATCHER, names.IMAGE_REFLECTOR_CONTROLLER}
PROBE_PATIENCE = 30.0


@contextlib.asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """host:port."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass(slots=True)
class ArtifactServer:
    """Serves the revisions it was given, to whoever asks."""

    base: str = ""
    _files: dict[str, bytes] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/{file}", self._serve)
        async with served(app) as address:
            self.base = f"http://{address}"
            yield

    def add(self, revision: Revision) -> str:
        """The artifact's digest."""
        content = self._files[revision.file] = revision.archive()
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    async def _serve(self, request: web.Request) -> web.Response:
        return web.Response(body=self._files[request.match_info["file"]])


@dataclass(frozen=True, slots=True)
class ControllerProcess:
    """`address` is where it serves probes and metrics."""

    component: str
    address: str
    pid: int

    async def passes(self) -> int:
        """How many passes it has made, by its own metrics."""
        async with aiohttp.ClientSession() as http, http.get(f"http://{self.address}:8080/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines if line.startswith(COUNT_OF_PASSES))


COUNT_OF_PASSES = "gotk_reconcile_duration_seconds_count"


@dataclass(frozen=True, slots=True)
class Place:
    """`kube` is the bench's own client, as an administrator."""

    folder: ClusterFolder
    control_plane: ControlPlane
    kube: Kube
    artifacts: ArtifactServer
    controllers_config: Path

    @property
    def api_server_pid(self) -> int:
        assert self.control_plane.api_server.pid
        return self.control_plane.api_server.pid

    @contextlib.asynccontextmanager
    async def controller(self, component: str, number: int = 0) -> AsyncIterator[ControllerProcess]:
        """A running controller; `number` tells those apart that run at a time. Its log is in the cluster's folder."""
        address = self.folder.network().pod_addresses()[number]
        (temporary := self.folder.path / f"{component}-tmp").mkdir()
        environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(temporary),
            "KUBECONFIG": str(self.controllers_config),
            "FLEETLOOP_BIND_ADDRESS": address,
            "RUNTIME_NAMESPACE": NAMESPACE,
        }
        flags = []
        if component in STORING:
            (storage := self.folder.path / component).mkdir()
            flags = [f"--storage-path={storage}"]
        log_file = self.folder.log(component)
        with log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "fleetloop.serve", component, f"--concurrent={WORKERS}", *flags),
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            try:
                await _until_ready(f"http://{address}:9440/readyz")
            except TimeoutError as error:
                raise NotReady(f"{component} is not ready after {PROBE_PATIENCE:g}s: {last_line(log_file)}") from error
            yield ControllerProcess(component, address, process.pid)
        finally:
            await stop(process, grace=20)

    async def publish(self, ref: ObjectRef, revision: Revision) -> None:
        """From now on the source has this revision; it is created if it is not there."""
        artifact = revision.artifact(self.artifacts.base, await asyncio.to_thread(self.artifacts.add, revision))
        await self.kube.apply(source(ref.name))
        await self.kube.patch(ref, {"status": {"artifact": artifact, "observedGeneration": 1}}, subresource="status")

    async def define(self, definition: Manifest) -> None:
        """Applies a CustomResourceDefinition and waits until it is served."""
        await self.kube.apply(definition)
        await _until_served(self.kube, definition["metadata"]["name"])

    def kustomizations(self) -> contextlib.AbstractAsyncContextManager[Follower]:
        return Follower(self.kube, KUSTOMIZE_API, "Kustomization").running()


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Place]:
    """A cluster in `path` that serves our kinds, with two namespaces in it."""
    folder, artifacts = ClusterFolder(path), ArtifactServer()
    control_plane = ControlPlane(folder, Programs())
    config = path / "bench-controller.kubeconfig"
    authority = Authority.ensure(folder.pki, folder.context)
    user = authority.issue_client(USER, [])
    kubeconfig.write(config, kubeconfig.kubeconfig_of(folder.context, control_plane.server, authority.pem, user))
    async with (
        artifacts.running(),
        control_plane.running(),
        Kube(control_plane.keys.connection, field_manager="bench", user_agent="bench") as kube,
    ):
        await _prepare(kube)
        yield Place(folder, control_plane, kube, artifacts, config)


async def _prepare(kube: Kube) -> None:
    definitions = [crd_of(kind) for kind in KINDS]
    for manifest in (*flow_schemas(USER), _administrator(), *definitions):
        await kube.apply(manifest)
    for definition in definitions:
        await _until_served(kube, definition["metadata"]["name"])
    for name in (NAMESPACE, FLOOR_NAMESPACE):
        await kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _administrator() -> Manifest:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": USER},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": USER}],
    }


async def _until_served(kube: Kube, definition: str) -> None:
    selector = f"metadata.name={definition}"
    async with asyncio.timeout(PROBE_PATIENCE):
        async for event in kube.watch("apiextensions.k8s.io/v1", "CustomResourceDefinition", field_selector=selector):
            conditions = (event.object.get("status") or {}).get("conditions") or []
            if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                return


async def _until_ready(probe: str) -> None:
    async with asyncio.timeout(PROBE_PATIENCE), aiohttp.ClientSession() as http:
        while not await _answers(http, probe):  # noqa: ASYNC110  # a process that starts gives no event
            await asyncio.sleep(0.05)


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
