"""The helm command beside us: it reads our releases, changes them behind our back, and we recover."""

from pathlib import Path

import pytest

from tests.e2e.helm.conftest import Space, chart, snapshot
from tests.kit.conditions import condition
from tests.kit.helm_client import HelmClient

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    HelmClient(folder, Path()).build()
    return folder


async def test_lists_shows_history_rolls_back_and_we_recover(space: Space, built: Path) -> None:
    helm = HelmClient(built, space.world.controller.kubeconfig)
    version = await space.publish(chart())
    await space.install(values={"greeting": "one"})
    await space.ready(version=1)
    await space.install(values={"greeting": "two"})
    await space.ready(version=2)

    (listed,) = await helm.json("list", "-n", space.name)
    assert (listed["name"], listed["revision"], listed["status"], listed["chart"]) == ("app", "2", "deployed", f"web-{version}")
    history = await helm.json("history", "app", "-n", space.name)
    assert [(one["revision"], one["status"]) for one in history] == [(1, "superseded"), (2, "deployed")]
    assert await helm.json("get", "values", "app", "-n", space.name) == {"greeting": "two"}
    assert "kind: Deployment" in await helm.run("get", "manifest", "app", "-n", space.name)

    await helm.run("rollback", "app", "1", "-n", space.name, "--force-conflicts")  # the fields are ours
    assert (await space.kube.get(space.config_map()))["data"] == {"greeting": "one"}
    await space.kube.patch(space.release, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})
    live = await space.ready(version=4)
    assert (await space.kube.get(space.config_map()))["data"] == {"greeting": "two"}
    assert condition(live, "Ready")["reason"] == "UpgradeSucceeded"

    await helm.run("uninstall", "app", "-n", space.name)
    await space.kube.patch(space.release, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "again"}}})
    live = await space.ready(version=1)
    assert snapshot(live)["action"] == "install"
    assert (await space.kube.get(space.config_map()))["data"] == {"greeting": "two"}
