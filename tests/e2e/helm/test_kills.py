"""helm-controller and its engine are killed with -9 at random moments during installs and upgrades: nothing is left behind that a
person would have to mend, and nothing is released twice.

HELM_KILLS=50 HELM_RELEASES=100 make it the full size.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from fleetloop.kube import Manifest, ObjectRef
from tests.e2e.helm.conftest import CONFIG_MAP, HELM_API, Space, chart, is_ready, snapshot

pytestmark = pytest.mark.asyncio(loop_scope="package")

KILLS = int(os.environ.get("HELM_KILLS", "6"))
RELEASES = int(os.environ.get("HELM_RELEASES", "8"))
SEED = int(os.environ.get("HELM_SEED", "7"))
DEADLINE = 60.0 + 3 * RELEASES  # seconds
HOOK = """apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-hook, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
"""


def engine_of(process: int) -> int | None:
    """The helm engine among the children of a process."""
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            if b"engine-helm" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
    return None


async def kill_someone(space: Space, dice: random.Random) -> str:
    controller = space.world.controller
    assert controller.process
    if dice.random() < 0.5 and (engine := engine_of(controller.process.pid)):
        os.kill(engine, signal.SIGKILL)
        return "engine"
    await controller.kill()
    await controller.start()
    return "controller"


async def all_ready(space: Space, generation: int) -> list[Manifest]:
    """Woken by each change of any of them."""
    async with asyncio.timeout(DEADLINE):
        while True:
            found, version = await space.kube.list_with_version(HELM_API, "HelmRelease", space.name)
            if all(is_ready(live) and live["metadata"]["generation"] == generation for live in found):
                return found
            async for _ in space.kube.watch(HELM_API, "HelmRelease", space.name, "", "", version):
                break


async def apply_all(space: Space, greeting: str) -> None:
    ref = {"kind": "OCIRepository", "name": "chart"}
    for number in range(RELEASES):
        spec = {"interval": "1h", "timeout": "30s", "chartRef": ref, "values": {"greeting": greeting}}
        await space.kube.apply(space.manifest(HELM_API, "HelmRelease", f"app-{number}", **spec))


async def test_killed_at_random_during_installs_and_upgrades(space: Space) -> None:
    dice, killed = random.Random(SEED), Counter[str]()
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP, "hook.yaml": HOOK}))
    for greeting in ("one", "two"):
        await apply_all(space, greeting)
        for _ in range(KILLS // 2):
            await asyncio.sleep(dice.uniform(0.2, 2.0))  # the moment is what is random
            killed[await kill_someone(space, dice)] += 1
        live = await all_ready(space, 1 if greeting == "one" else 2)
    assert sum(killed.values()) == KILLS // 2 * 2

    secrets = [s for s in await space.kube.list("v1", "Secret", space.name) if s["type"] == "helm.sh/release.v1"]
    statuses = Counter((s["metadata"]["labels"]["name"], s["metadata"]["labels"]["status"]) for s in secrets)
    for release in live:
        name = release["metadata"]["name"]
        assert statuses[name, "deployed"] == 1
        assert not [status for owner, status in statuses if owner == name and status.startswith("pending")]
        versions = [one["version"] for one in release["status"]["history"]]
        assert len(versions) == len(set(versions))
        assert snapshot(release)["status"] == "deployed"
        settings = await space.kube.get(ObjectRef("v1", "ConfigMap", space.name, f"{name}-settings"))
        assert settings["data"] == {"greeting": "two"}
