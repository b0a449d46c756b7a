"""The whole of it: bootstrap, and the controllers that it started take over."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fleetloop import __version__
from fleetloop.kube import ObjectRef
from fleetloop.local.forge import ForgeAdmin
from tests.e2e.bootstrap.place import ALL_RIGHTS, BOT_RIGHTS, Place
from tests.e2e.bootstrap.test_github import masked
from tests.kit.cluster import start_shared
from tests.kit.forge import LocalForge

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAME = "flux-system"
DEADLINE = 60.0  # seconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def started(folder: Path):  # type: ignore[no-untyped-def]
    return start_shared(folder / "cluster")  # it ends with the process that runs the tests


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(started, folder: Path) -> AsyncIterator[Place]:  # type: ignore[no-untyped-def]
    told = started.local["forge"]
    async with ForgeAdmin(told["url"], told["adminToken"], told["caFile"]) as admin, started.kube() as kube:
        ca_file = Path(told["caFile"])
        forge = LocalForge(folder, told["url"], told["apiUrl"], told["sshUrl"], ca_file, told["adminToken"], admin)
        await admin.create_user("ada")
        await admin.create_org("acme", owners=["ada"])
        token = await admin.create_token("ada", ALL_RIGHTS, owner="acme")
        yield Place(kube, started.kubeconfig, forge, folder, token)


WAITS = [
    '◎ waiting for GitRepository "flux-system/flux-system" to be reconciled',
    "✔ GitRepository reconciled successfully",
    '◎ waiting for Kustomization "flux-system/flux-system" to be reconciled',
    "✔ Kustomization reconciled successfully",
    "► confirming components are healthy",
    "✔ helm-controller: deployment ready",
    "✔ kustomize-controller: deployment ready",
    "✔ notification-controller: deployment ready",
    "✔ source-controller: deployment ready",
    "✔ all components are healthy",
]
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [gotk-components.yaml, gotk-sync.yaml]
patches:
- target: {kind: Deployment, name: (kustomize-controller|helm-controller)}
  patch: |
    - {op: add, path: /spec/template/spec/containers/0/args/-, value: --default-service-account=default}
- target: {kind: Kustomization, name: flux-system}
  patch: |
    - {op: add, path: /spec/serviceAccountName, value: kustomize-controller}
"""
APP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: default}\ndata: {a: b}\n"


async def test_from_nothing_to_ready_with_the_bots_token(real: Place, tmp_path: Path) -> None:
    await real.forge.admin.create_repository("acme", "fleet")
    bot = await real.forge.admin.create_token("ada", BOT_RIGHTS, owner="acme")
    empty = {f"clusters/x/{NAME}/{file}": "" for file in ("gotk-components.yaml", "gotk-sync.yaml")}
    files = {**empty, f"clusters/x/{NAME}/kustomization.yaml": OVERLAY, "clusters/x/app.yaml": APP}
    await real.forge.push_files("acme", "fleet", files, token=real.token, folder=tmp_path / "clone")
    done = await real.run(*real.github("fleet", "--token-auth", namespace=NAME), GITHUB_TOKEN=bot)
    assert done.code == 0, done.errors
    assert masked(done.lines)[-len(WAITS) :] == WAITS
    assert await real.exists(ObjectRef("v1", "ConfigMap", "default", "app"))
    assert len(await real.subjects("fleet")) == 3


async def test_an_upgrade_is_pulled_by_the_cluster(real: Place) -> None:
    done = await real.run(*real.github("fleet", "--components-extra=image-reflector-controller", namespace=NAME))
    assert done.code == 0, done.errors
    assert not [line for line in done.lines if "installing components" in line]
    assert "✔ image-reflector-controller: deployment ready" in done.lines
    deployment = await real.kube.get(ObjectRef("apps/v1", "Deployment", NAME, "kustomize-controller"))
    assert deployment["spec"]["template"]["spec"]["containers"][0]["args"][-1] == "--default-service-account=default"
    assert sorted(await real.secret(NAME)) == ["identity", "identity.pub", "known_hosts"]


async def test_killed_while_the_cluster_follows(real: Place) -> None:
    words = real.github("fleet", "--components-extra=image-reflector-controller", namespace=NAME)
    await real.killed_at("waiting for GitRepository", *words)
    done = await real.run(*words)
    assert done.code == 0, done.errors


async def test_bs34_what_does_not_become_ready_is_told_with_the_controllers_words(real: Place, tmp_path: Path) -> None:
    """BS34: what does not become ready is told with the controllers words."""
    clone = tmp_path / "clone"
    await real.forge.push_files("acme", "fleet", {"clusters/x/broken.yaml": "kind: ["}, token=real.token, folder=clone)
    words = real.github("fleet", "--components-extra=image-reflector-controller", "--timeout=15s", namespace=NAME)
    failed = await real.run(*words)
    assert failed.code == 1
    told = failed.lines[-1]
    assert told.startswith(
        "✗ bootstrap failed with 1 health check failure(s): error while waiting for Kustomization to be ready: "
        "'kustomization 'flux-system/flux-system' not ready: '"
    )
    await real.forge.push_files(
        "acme", "fleet", {"clusters/x/broken.yaml": APP.replace("app", "mended")}, token=real.token, folder=clone
    )
    assert (await real.run(*words, "--timeout=90s")).code == 0


async def test_a_rebuilt_cluster_and_a_broken_controller_come_back(real: Place) -> None:
    """BS33 with real controllers; and what follows Git being broken is no reason that it stays so."""
    words = real.github("fleet", namespace=NAME)
    removed = await real.run("uninstall", "--silent", "--timeout=60s")
    assert (removed.lines[-1], removed.code) == ("✔ uninstall finished", 0)
    assert len(removed.lines) == len(set(removed.lines))  # kustomize-controller repairs until it ends; nobody need hear of it
    done = await real.run(*words)
    assert done.code == 0, done.errors
    assert (await real.run("check", "--timeout=60s")).code == 0

    await _break_kustomize_controller(real)
    repaired = await real.run(*words)
    assert repaired.code == 0, repaired.errors
    assert '► installing components in "flux-system" namespace' in repaired.lines
    subjects = await real.subjects("fleet")
    assert subjects.count(f"Add Flux v{__version__} component manifests") == 3


async def _break_kustomize_controller(real: Place) -> None:
    """Suspended meanwhile, or it puts its own Deployment back before it ends."""
    sync = ObjectRef("kustomize.toolkit.fluxcd.io/v1", "Kustomization", NAME, NAME)
    await real.kube.patch(sync, {"spec": {"suspend": True}})
    await real.kube.delete(ObjectRef("apps/v1", "Deployment", NAME, "kustomize-controller"), propagation="Foreground")
    selector = "app=kustomize-controller"
    async with asyncio.timeout(DEADLINE):
        while True:
            pods, version = await real.kube.list_with_version("v1", "Pod", NAME, label_selector=selector)
            if not pods:
                break
            async for event in real.kube.watch("v1", "Pod", NAME, selector, resource_version=version):
                if event.type == "DELETED":
                    break
    await real.kube.patch(sync, {"spec": {"suspend": None}})


async def test_the_running_controllers_have_what_was_patched(real: Place) -> None:
    pods = await real.kube.list("v1", "Pod", NAME, label_selector="app=kustomize-controller")
    assert pods
    assert all("--default-service-account=default" in pod["spec"]["containers"][0]["args"] for pod in pods)
