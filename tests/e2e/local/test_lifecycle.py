"""up, down, up again, reset; two clusters side by side; and nothing left over when the supervisor is killed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetloop.kube import Kube, Manifest, ObjectRef, Unreachable, from_kubeconfig
from fleetloop.local import lifecycle
from fleetloop.local.state import BadClusterName, StateFolder
from tests.kit.processes import children_of, is_running
from tests.kit.waiting import eventually
from tests.kit.workloads import deployment, is_available, until

SECONDS = 120.0
FAST = ("--unsafe-no-fsync", "--owner", str(os.getpid()))
NAMESPACE = ObjectRef("v1", "Namespace", "", "kept")


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateFolder]:
    folder = StateFolder(
        tmp_path / "a folder whose name is long, has spaces in it, and would not fit into a socket's address" / ("x" * 40)
    )
    yield folder
    await lifecycle.down(folder)


async def up(state: StateFolder, *names: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    steps: list[tuple[str, str]] = []
    async with asyncio.timeout(SECONDS):
        return await lifecycle.up(state, names, lambda *step: steps.append(step), FAST), steps


def kube_of(status: dict[str, Any], name: str) -> Kube:
    (cluster,) = [one for one in status["clusters"] if one["name"] == name]
    return Kube(from_kubeconfig([Path(status["kubeconfig"])], context=cluster["context"]))


async def test_state_survives_down_and_up_and_ends_with_reset(state: StateFolder) -> None:
    status, steps = await up(state, "one")
    assert steps == [("one", "starting"), ("one", "ready")]
    async with kube_of(status, "one") as kube:
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
        await kube.create(deployment("web", "kept"))
        await until(kube, ObjectRef("apps/v1", "Deployment", "kept", "web"), is_available, SECONDS)
    assert await lifecycle.down(state)
    assert not await lifecycle.down(state)
    resting = await lifecycle.status(state)
    assert (resting["running"], resting["clusters"][0]["ready"], resting["forge"]) == (False, False, None)

    again, _ = await up(state)  # whatever was here before
    assert again["clusters"][0]["server"] == status["clusters"][0]["server"]
    assert again["forge"]["url"] == status["forge"]["url"]
    assert again["forge"]["adminToken"] == status["forge"]["adminToken"]
    async with kube_of(again, "one") as kube:
        await kube.get(NAMESPACE)
        await until(kube, ObjectRef("apps/v1", "Deployment", "kept", "web"), is_available, SECONDS)

    (state.path / "notes.txt").write_text("mine")
    await lifecycle.reset(state)
    assert [entry.name for entry in state.path.iterdir()] == ["notes.txt"]


async def test_two_clusters_side_by_side(state: StateFolder) -> None:
    status, _ = await up(state, "one")
    status, _ = await up(state, "one", "two")
    assert [cluster["ready"] for cluster in status["clusters"]] == [True, True]
    contexts = yaml.safe_load(Path(status["kubeconfig"]).read_text())["contexts"]
    assert [context["name"] for context in contexts] == ["fleetloop-one", "fleetloop-two"]
    async with kube_of(status, "one") as one, kube_of(status, "two") as two:
        await one.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
        assert await two.find(NAMESPACE) is None
        for kube in (one, two):
            await kube.create(deployment("web", "default"))
            await until(kube, ObjectRef("apps/v1", "Deployment", "default", "web"), is_available, SECONDS)


async def test_a_killed_supervisor_leaves_nothing_behind_and_up_works_at_once(state: StateFolder) -> None:
    status, _ = await up(state, "one")
    async with kube_of(status, "one") as kube:
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
        await kube.create(component("source-controller", "kept"))
        await eventually(lambda: len(children_of(status["pid"])) >= 5, SECONDS)  # two of the cluster, forge, registry, pod
    family = children_of(status["pid"])
    os.kill(status["pid"], signal.SIGKILL)

    again, _ = await up(state, "one")
    await eventually(lambda: not any(is_running(pid) for pid in family), SECONDS)
    async with kube_of(again, "one") as kube:
        await kube.get(NAMESPACE)


async def test_a_killed_api_server_is_started_again(state: StateFolder) -> None:
    status, _ = await up(state, "one")
    os.kill(status["clusters"][0]["pids"]["apiserver"], signal.SIGKILL)
    async with kube_of(status, "one") as kube, asyncio.timeout(SECONDS):
        await kube_answers(kube)
        await kube.create(deployment("web", "default"))
        await until(kube, ObjectRef("apps/v1", "Deployment", "default", "web"), is_available, SECONDS)


async def test_names_that_cannot_be_are_refused(state: StateFolder) -> None:
    for name in ("", "A", "a_b", "../a", "-a", "a" * 41):
        with pytest.raises(BadClusterName):
            await up(state, name)


async def kube_answers(kube: Kube) -> None:
    while True:
        with contextlib.suppress(Unreachable):
            if (await kube.raw("GET", "/readyz"))[0] == 200:
                return
        await asyncio.sleep(0.1)


def component(name: str, namespace: str) -> Manifest:
    return deployment(name, namespace, image=f"registry.example.com/{name}:v1")
