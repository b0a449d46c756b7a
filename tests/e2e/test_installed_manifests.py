"""What a real API server says to the installed manifests: it accepts the CRDs and enforces their rules."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fleetloop.api.kinds import KINDS
from fleetloop.api.old_versions import upgraded
from fleetloop.bootstrap.components import InstallOptions, documents
from fleetloop.kube import Invalid, Kube
from fleetloop.local.control_plane import ControlPlane
from fleetloop.local.programs import Programs
from fleetloop.local.state import ClusterFolder
from tests.unit.bootstrap.test_components import ALL

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVERYTHING = documents(InstallOptions(components=ALL))
SOURCE = {"kind": "GitRepository", "name": "x"}
DEADLINE = 60.0  # seconds


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def kube(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kube]:
    """An API server with everything applied."""
    control_plane = ControlPlane(ClusterFolder(tmp_path_factory.mktemp("cluster")), Programs())
    async with control_plane.running(), Kube(control_plane.keys.connection) as client:
        for manifest in EVERYTHING:
            await client.apply(manifest)
        async with asyncio.timeout(DEADLINE):
            await until_established(client)
        yield client


async def until_established(kube: Kube) -> None:
    waiting = {kind.crd_name for kind in KINDS}
    async for event in kube.watch("apiextensions.k8s.io/v1", "CustomResourceDefinition"):
        conditions = {one["type"]: one for one in event.object.get("status", {}).get("conditions", [])}
        assert "NonStructuralSchema" not in conditions, conditions
        if conditions.get("Established", {}).get("status") == "True":
            waiting.discard(event.object["metadata"]["name"])
        if not waiting:
            return


def manifest(api_version: str, kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"interval": "5m"} | spec,
    }


def kustomization(name: str, version: str = "v1", **spec: Any) -> dict[str, Any]:
    given = {"prune": True, "sourceRef": SOURCE} | spec
    return manifest(f"kustomize.toolkit.fluxcd.io/{version}", "Kustomization", name, **given)


async def test_applying_again_changes_nothing(kube: Kube) -> None:
    for one in EVERYTHING:
        before = await kube.apply(one)
        after = await kube.apply(one)
        assert before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]


async def test_the_current_version_is_stored(kube: Kube) -> None:
    for crd in await kube.list("apiextensions.k8s.io/v1", "CustomResourceDefinition"):
        kind = next(kind for kind in KINDS if kind.crd_name == crd["metadata"]["name"])
        assert crd["status"]["storedVersions"] == [kind.version]


async def test_defaults(kube: Kube) -> None:
    made = await kube.apply(manifest("source.toolkit.fluxcd.io/v1", "GitRepository", "defaults", url="https://a/b"))
    assert made["spec"] == {"interval": "5m", "url": "https://a/b", "timeout": "60s"}
    assert made["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (kustomization("bad", interval="5 min"), "spec.interval"),
        (kustomization("bad", sourceRef={"kind": "Secret", "name": "x"}), "spec.sourceRef.kind"),
        (kustomization("bad", kubeConfig={}), "exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef"),
        (manifest("helm.toolkit.fluxcd.io/v2", "HelmRelease", "bad"), "either chart or chartRef must be set"),
    ],
)
async def test_what_the_schema_forbids_is_refused(kube: Kube, bad: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        await kube.create(bad)


async def test_an_old_version_is_served_but_its_own_fields_are_not_stored(kube: Kube) -> None:
    """Conversion by name prunes by the stored version: the reason why sources are upgraded before they are applied."""
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    old = kustomization("old", "v1beta2", patchesStrategicMerge=[patch], validation="client")
    stored = await kube.create(old)
    assert set(stored["spec"]) == {"interval", "prune", "sourceRef", "force"}
    carried = await kube.apply(upgraded(old))
    assert carried["apiVersion"] == "kustomize.toolkit.fluxcd.io/v1"
    assert len(carried["spec"]["patches"]) == 1
