"""Where it happens: an API server, a fault proxy before it, a Git forge, and the two controllers as processes behind it."""

import asyncio
import base64
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS
from fleetloop.engine import Engines, Family
from fleetloop.fleet import AgeKey, new_age_key
from fleetloop.kube import ApiError, Kube, Manifest, NotFound, ObjectRef, Unreachable
from fleetloop.local.control_plane import ControlPlane
from fleetloop.local.programs import Programs
from fleetloop.local.state import ClusterFolder
from tests.e2e.faults.fleet import APPLIER, FLEET, KUSTOMIZE_API, SOURCE_API, WORK, App, Fleet, secret_of
from tests.e2e.faults.following import Following, following
from tests.e2e.faults.judge import differences, is_ready
from tests.kit.controller import Controller
from tests.kit.fault_proxy import FaultProxy, fault_proxy, token_of_administrator
from tests.kit.faults import FaultPlan
from tests.kit.forge import LocalForge, running_forge

KUSTOMIZE_FLAGS = ("--concurrent=8", "--requeue-dependency=1s", "--min-retry-delay=200ms", "--max-retry-delay=4s")
SOURCE_FLAGS = ("--concurrent=4", "--requeue-dependency=1s", "--min-retry-delay=200ms", "--max-retry-delay=4s")
PATIENCE = 180.0  # seconds for a revision; a stalled watch is noticed after 100
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
SERVED = 60.0


@dataclass
class Place:
    control_plane: ControlPlane
    kube: Kube  # not through the proxy
    proxy: FaultProxy
    forge: LocalForge
    token: str
    age: AgeKey
    folder: Path
    kustomize: Controller
    source: Controller
    following: Following
    pushed: int = 0
    name: str = ""  # of the revision pushed last
    gone: set[str] = field(default_factory=set)  # names of removed Kustomizations

    async def settle_in(self, fleet: Fleet, instead: Mapping[str, str] | None = None) -> None:
        """Pushes the first revision and creates the sources and the Kustomizations. `instead`: files that are otherwise."""
        await self.push(fleet, instead=instead)
        for name in fleet.source_names():
            spec = {
                "interval": "10m",
                "url": self.forge.clone_url("acme", "apps"),
                "secretRef": {"name": "git"},
                "ref": {"branch": "main"},
            }
            await self.kube.apply(manifest(SOURCE_API, "GitRepository", name, spec=spec))
        for app in fleet.apps:
            await self.kube.apply(app.kustomization(fleet.source_of(app)))

    async def push(self, fleet: Fleet, *, last: bool = False, instead: Mapping[str, str] | None = None) -> None:
        """The next revision, and a request to every source to fetch it."""
        self.pushed += 1
        files = fleet.files(self.pushed, last=last) | dict(instead or {})
        sha = await self.forge.push_files("acme", "apps", files, token=self.token, folder=self.folder / "work")
        self.name = f"main@sha1:{sha}"
        for source in self.following.latest["GitRepository"]:
            ref = ObjectRef(SOURCE_API, "GitRepository", FLEET, source)
            await self.kube.patch(ref, {"metadata": {"annotations": {REQUESTED_AT: str(self.pushed)}}})

    async def remove(self, app: App) -> None:
        self.gone.add(app.name)
        with contextlib.suppress(NotFound):
            await self.kube.delete(ObjectRef(KUSTOMIZE_API, "Kustomization", FLEET, app.name))

    async def attempted(self, share: float) -> None:
        """Until so many of the Kustomizations have begun with the last revision."""

        def holds() -> bool:
            live = self.following.latest["Kustomization"].values()
            begun = [one for one in live if (one.get("status") or {}).get("lastAttemptedRevision") == self.name]
            return len(live) > 0 and len(begun) >= share * len(live)

        await self.following.until(holds, PATIENCE)

    async def ready(self, fleet: Fleet) -> None:
        """Until every Kustomization is Ready at the last revision and the removed are gone; fails with those that are not."""
        wanted = {app.name for app in fleet.remaining}

        def late() -> list[str]:
            live = self.following.latest["Kustomization"]
            present = self.gone & live.keys()
            return sorted(present | {name for name in wanted if name not in live or not is_ready(live[name], self.name)})

        try:
            await self.following.until(lambda: not late(), PATIENCE)
        except TimeoutError:
            live = self.following.latest["Kustomization"]
            told = "\n".join(f"{name}: {live.get(name, {}).get('status')}" for name in late())
            raise AssertionError(f"not Ready at {self.name} after {PATIENCE:g}s:\n{told}") from None

    async def problems(self, fleet: Fleet) -> list[str]:
        """Sources that everybody is ready with may still be about to say so themselves."""
        found: list[str] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while found := await differences(self.kube, fleet, self.pushed, self.name):
                    if not all(problem.startswith("GitRepository/") for problem in found):
                        break
                    await asyncio.sleep(0.2)
        return found

    async def sealed(self, apps: list[App]) -> dict[str, str]:
        """The SOPS texts of the apps that have one."""
        found = {}
        async with Engines() as engines:
            for app in apps:
                if app.sort == "sealed":
                    text = base64.b64encode(yaml.safe_dump(secret_of(app)).encode()).decode()
                    recipients = [self.age.recipient]
                    answer = await engines.call(
                        Family.SOPS,
                        "sops.encrypt",
                        30,
                        data=text,
                        format="yaml",
                        recipients=recipients,
                        encryptedRegex="^data$",
                    )
                    found[app.name] = base64.b64decode(answer["data"]).decode()
        return found

    async def restart_api_server(self) -> None:
        """Kills it with -9; returns when the next one answers."""
        pid = self.control_plane.api_server.pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(SERVED):
            while True:
                with contextlib.suppress(Unreachable, ApiError):
                    await self.kube.list(KUSTOMIZE_API, "Kustomization")
                    return
                await asyncio.sleep(0.2)  # a server that starts gives no event

    async def restart_source(self, *, keeping: bool) -> None:
        """Kills it with -9 and starts it again, perhaps with an empty store."""
        await self.source.kill()
        if not keeping:
            await asyncio.to_thread(shutil.rmtree, self.source.data, ignore_errors=True)
        await self.source.start()

    async def restart_kustomize(self) -> None:
        await self.kustomize.kill()
        await self.kustomize.start()


@contextlib.asynccontextmanager
async def opened(folder: Path, plan: FaultPlan, *more_flags: str) -> AsyncIterator[Place]:
    """All of it runs inside the context; the controllers go through the proxy."""
    control_plane = ControlPlane(ClusterFolder(folder / "cluster"), Programs())
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(control_plane.running())
        forge = await stack.enter_async_context(running_forge(folder / "forge"))
        kube = await stack.enter_async_context(Kube(control_plane.keys.connection, field_manager="test"))
        proxy = await stack.enter_async_context(fault_proxy(control_plane.keys.connection, plan))
        token, age = await _prepare_forge(forge), new_age_key()
        await _prepare_cluster(kube, forge, token, age)
        kubeconfig = folder / "faulty.kubeconfig"
        proxy.write_kubeconfig(kubeconfig, await token_of_administrator(kube))
        kustomize = Controller("kustomize-controller", kubeconfig, folder / "kustomize", (*KUSTOMIZE_FLAGS, *more_flags))
        source = Controller("source-controller", kubeconfig, folder / "source", SOURCE_FLAGS)
        told = await stack.enter_async_context(following(kube))
        for controller in (kustomize, source):
            await controller.start()
            stack.push_async_callback(_stop, controller)
        yield Place(control_plane, kube, proxy, forge, token, age, folder, kustomize, source, told)


async def _stop(controller: Controller) -> None:
    """Unless the test has ended it for good."""
    if controller.process and controller.process.returncode is None:
        await controller.stop()


async def _prepare_forge(forge: LocalForge) -> str:
    await forge.admin.create_user("ada")
    await forge.admin.create_org("acme", owners=["ada"])
    await forge.admin.create_repository("acme", "apps")
    return await forge.admin.create_token("ada", {"contents": "write"}, "acme")


async def _prepare_cluster(kube: Kube, forge: LocalForge, token: str, age: AgeKey) -> None:
    for kind in KINDS:
        await kube.apply(crd_of(kind))
    async with asyncio.timeout(SERVED):
        for kind in KINDS:
            while True:
                with contextlib.suppress(NotFound):
                    await kube.list(kind.api_version, kind.kind)
                    break
                await asyncio.sleep(0.1)  # discovery cannot be watched
    for name in (FLEET, WORK):
        await kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await kube.apply(manifest("v1", "ServiceAccount", APPLIER))
    group = "rbac.authorization.k8s.io"
    binding = manifest(f"{group}/v1", "RoleBinding", APPLIER)
    binding["metadata"]["namespace"] = WORK
    binding["roleRef"] = {"apiGroup": group, "kind": "ClusterRole", "name": "admin"}
    binding["subjects"] = [{"kind": "ServiceAccount", "name": APPLIER, "namespace": FLEET}]
    await kube.apply(binding)
    git = {"username": "x-access-token", "password": token, "ca.crt": forge.ca_file.read_text()}
    await kube.apply(manifest("v1", "Secret", "git", stringData=git))
    await kube.apply(manifest("v1", "Secret", "age", stringData={"age.agekey": age.identity}))


def manifest(api_version: str, kind: str, name: str, **fields: object) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": FLEET}} | fields
