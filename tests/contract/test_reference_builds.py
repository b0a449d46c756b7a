"""Every overlay of the reference repositories builds, its releases render, and the lock-down lands in the controllers."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetloop.engine import Engines, Family
from fleetloop.fleet import reference_folder

REFERENCE = reference_folder()
OVERLAYS = [
    ("fleet", "clusters/staging/flux-system"),
    ("fleet", "clusters/production/flux-system"),
    ("fleet", "clusters/staging"),
    ("fleet", "clusters/production"),
    ("fleet", "tenants/staging"),
    ("fleet", "tenants/production"),
    ("infra", "components/staging"),
    ("infra", "components/production"),
    ("infra", "settings/staging"),
    ("infra", "settings/production"),
    ("infra", "update"),
    ("apps", "staging"),
    ("apps", "production"),
    ("apps", "update"),
]


@pytest.fixture
async def engines() -> AsyncIterator[Engines]:
    async with Engines() as running:
        yield running


async def build(engines: Engines, repository: Path, path: str) -> list[dict[str, Any]]:
    result = await engines.call(Family.BUILD, "kustomize.build", 30, root=str(repository), path=path)
    return list(result["objects"])


def names_of(objects: list[dict[str, Any]]) -> set[str]:
    return {f"{o['kind']}/{o['metadata'].get('namespace', '')}/{o['metadata']['name']}" for o in objects}


@pytest.mark.parametrize("repository, path", OVERLAYS, ids="/".join)
async def test_overlay_builds(engines: Engines, repository: str, path: str) -> None:
    objects = await build(engines, REFERENCE / repository, path)
    assert bool(objects) != path.endswith("/flux-system")  # which bootstrap fills
    assert len(names_of(objects)) == len(objects)


@pytest.mark.parametrize("environment", ["staging", "production", "update"])
async def test_everything_of_apps_is_in_its_namespace(engines: Engines, environment: str) -> None:
    objects = await build(engines, REFERENCE / "apps", environment)
    assert {o["metadata"]["namespace"] for o in objects} == {"apps"}


CHARTS = {  # HelmRelease -> its chart
    "event-exporter": "charts/event-exporter",
    "snapshot-controller": "charts/snapshot-controller",
    "catalog": "charts/catalog",
    "reviews": "apps/charts/reviews",
}


async def render(engines: Engines, name: str, values: dict[str, Any], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Objects and hooks of a release."""
    source = {"root": str(REFERENCE), "path": CHARTS[name]}
    package = {"dependencies": [], "valuesFiles": [], "valuesRoot": "", "ignoreMissing": False, "metadata": ""}
    made = await engines.call(Family.HELM, "charts.build", 30, source=source, into=str(folder), **package)
    assert made["problem"] == "", made["error"]
    chart = {"path": made["path"], "version": ""}
    result = await engines.call(
        Family.HELM, "helm.render", 30, chart=chart, values=values, postRender=None, name=name, namespace=name, upgrade=False
    )
    return dict(result)


def pods_of(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The specs of pods, and of what makes pods."""
    specs = [o["spec"] for o in objects if o["kind"] in {"Pod", "Deployment", "Job"}]
    return [spec["template"]["spec"] if "template" in spec else spec for spec in specs]


@pytest.mark.parametrize(
    "repository, path",
    [o for o in OVERLAYS if (o[0] == "apps" and o[1] != "update") or o[1].startswith("components")],
    ids="/".join,
)
async def test_releases_of_an_overlay_render(engines: Engines, tmp_path: Path, repository: str, path: str) -> None:
    """With the values of that environment; each has a test, and restricted pods only."""
    objects = await build(engines, REFERENCE / repository, path)
    maps = {o["metadata"]["name"]: o["data"] for o in objects if o["kind"] == "ConfigMap"}
    releases = [o for o in objects if o["kind"] == "HelmRelease"]
    assert releases
    for release in releases:
        spec = release["spec"]
        layers = [{"content": maps[ref["name"]]["values.yaml"]} for ref in spec.get("valuesFrom", [])]
        rendered = await render(engines, spec["releaseName"], {"layers": layers, "inline": spec["values"]}, tmp_path)
        assert any("test" in hook["metadata"]["annotations"]["helm.sh/hook"] for hook in rendered["hooks"])
        for pod in pods_of([*rendered["objects"], *rendered["hooks"]]):
            assert pod["securityContext"]["runAsNonRoot"]
            assert all(c["securityContext"]["capabilities"] == {"drop": ["ALL"]} for c in pod["containers"])


LOCKED = {
    "source-controller": [],
    "source-watcher": [],
    "kustomize-controller": ["--no-cross-namespace-refs=true", "--no-remote-bases=true", "--default-service-account=default"],
    "helm-controller": ["--no-cross-namespace-refs=true", "--default-service-account=default"],
    "notification-controller": ["--no-cross-namespace-refs=true"],
    "image-reflector-controller": ["--no-cross-namespace-refs=true"],
    "image-automation-controller": ["--no-cross-namespace-refs=true"],
}


def controller(name: str) -> dict[str, Any]:
    container = {"name": "manager", "args": ["--log-level=info"], "resources": {"limits": {"memory": "1Gi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


@pytest.mark.parametrize("cluster", ["staging", "production"])
async def test_lock_down_is_appended_after_generated_arguments(engines: Engines, tmp_path: Path, cluster: str) -> None:
    """BS41: patches append, in this order, after whatever bootstrap generated."""
    fleet = tmp_path / "fleet"
    shutil.copytree(REFERENCE / "fleet", fleet)
    system = fleet / "clusters" / cluster / "flux-system"
    sync = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "flux-system", "namespace": "flux-system"},
        "spec": {"interval": "10m0s", "prune": True},
    }
    (system / "gotk-components.yaml").write_text(yaml.safe_dump_all(map(controller, LOCKED)))
    (system / "gotk-sync.yaml").write_text(yaml.safe_dump(sync))
    built = {o["metadata"]["name"]: o for o in await build(engines, fleet, f"clusters/{cluster}/flux-system")}

    assert built.pop("flux-system")["spec"]["serviceAccountName"] == "kustomize-controller"
    containers = {name: o["spec"]["template"]["spec"]["containers"][0] for name, o in built.items()}
    assert {name: container["args"] for name, container in containers.items()} == {
        name: ["--log-level=info", *extra] for name, extra in LOCKED.items()
    }
    assert "requests" in containers["kustomize-controller"]["resources"]
