"""Foreign writes to applied objects: by operators, people with kubectl, autoscalers."""

import asyncio
import shutil
from typing import Any

import pytest

from fleetloop.kube import Manifest, ObjectRef
from tests.e2e.kustomize.conftest import Space
from tests.e2e.kustomize.test_kustomization import CONFIG_MAP, DEPLOYMENT, ONE, OTHER, REQUESTED_AT, TWO

pytestmark = pytest.mark.asyncio(loop_scope="package")

KUBECTL = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on this machine")
SWITCH = "kustomize.fleetloop.dev/drift-repair"


async def kubectl(space: Space, *arguments: str, stdin: str = "") -> None:
    assert KUBECTL
    command = (KUBECTL, "--kubeconfig", str(space.world.controller.kubeconfig), "-n", space.name, *arguments)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    output, _ = await process.communicate(stdin.encode())
    assert process.returncode == 0, output.decode()


def web(space: Space) -> ObjectRef:
    return ObjectRef("apps/v1", "Deployment", space.name, "web")


async def write(space: Space, value: str, name: str = "settings", manager: str = "operator") -> None:
    await space.kube.patch(space.config_map(name), {"data": {"a": value}}, field_manager=manager)


async def repaired(space: Space, name: str = "settings") -> Manifest:
    return await space.until(space.config_map(name), lambda live: live["data"] == {"a": "1"})


async def request(space: Space, ref: ObjectRef, word: str) -> None:
    await space.kube.patch(ref, {"metadata": {"annotations": {REQUESTED_AT: word}}})
    await space.until(ref, lambda live: live["status"].get("lastHandledReconcileAt") == word)


async def test_who_fights_is_named(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    await space.ready(await space.kustomization(), ONE)
    for value in ("w", "x", "y", "z"):  # one more than it takes: the first may come before the watch
        await write(space, value)
        await repaired(space)
    event = await space.event("3 times in a row")
    assert (event["type"], event["reason"]) == ("Warning", "DriftFight")
    assert event["message"].startswith(f"ConfigMap/{space.name}/settings was changed by operator (data.a), 3 times in a row")


async def test_repairs_are_switched_off_for_one_object(space: Space) -> None:
    left = OTHER.replace("{name: other}", f"{{name: other, annotations: {{{SWITCH}: disabled}}}}").replace("{}", "{a: '1'}")
    await space.publish({"cm.yaml": CONFIG_MAP, "left.yaml": left}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    await write(space, "theirs", "other")
    await write(space, "theirs")
    await repaired(space)
    await asyncio.wait_for(repaired(space, "other"), 20)  # the pass for the other one asks for this one too
    await write(space, "again", "other")
    await space.kube.patch(space.config_map(), {"metadata": {"annotations": {"seen": "1"}}})
    assert (await space.kube.get(space.config_map("other")))["data"] == {"a": "again"}
    await request(space, ref, "now")
    await repaired(space, "other")


async def test_repairs_are_switched_off_for_a_kustomization(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    await space.kube.patch(ref, {"metadata": {"annotations": {SWITCH: "disabled"}}})
    await request(space, ref, "first")
    await write(space, "theirs")
    other = await space.kustomization("second", path="./", targetNamespace=None, suspend=True)
    await space.until(other, lambda live: live["metadata"].get("finalizers") is not None or live["spec"]["suspend"])
    assert (await space.kube.get(space.config_map()))["data"] == {"a": "theirs"}
    await request(space, ref, "second")
    await repaired(space)


async def test_a_burst_of_writes_to_many_objects_is_repaired(space: Space) -> None:
    files = {f"cm-{n}.yaml": CONFIG_MAP.replace("settings", f"cm-{n}") for n in range(30)}
    await space.publish(files, ONE)
    await space.ready(await space.kustomization(), ONE)
    async with asyncio.TaskGroup() as group:
        for n in range(30):
            group.create_task(write(space, "x", f"cm-{n}"))
    for n in range(30):
        await repaired(space, f"cm-{n}")
    assert not [reason for _, reason, _ in await space.events() if reason == "DriftFight"]


@needs_kubectl
async def test_a_restart_by_kubectl_is_one_restart(space: Space) -> None:
    await space.publish({"web.yaml": DEPLOYMENT, "cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    generation = (await space.kube.get(web(space)))["metadata"]["generation"]
    await kubectl(space, "rollout", "restart", "deployment/web")
    await write(space, "x")
    await repaired(space)
    await request(space, ref, "now")
    await space.publish({"web.yaml": DEPLOYMENT, "cm.yaml": CONFIG_MAP.replace("'1'", "'2'")}, TWO)
    await space.ready(ref, TWO)
    live = await space.kube.get(web(space))
    assert live["metadata"]["generation"] == generation + 1
    assert "kubectl.kubernetes.io/restartedAt" in live["spec"]["template"]["metadata"]["annotations"]


@needs_kubectl
@pytest.mark.parametrize(
    "command",
    [
        ("label", "configmap", "settings", "extra=1"),
        ("annotate", "configmap", "settings", "extra=1"),
        ("patch", "configmap", "settings", "-p", '{"data": {"extra": "1"}}'),
        ("patch", "configmap", "settings", "-p", '{"data": {"a": "2"}}'),
        ("patch", "configmap", "settings", "--type=json", "-p", '[{"op": "remove", "path": "/data/a"}]'),
    ],
)
async def test_what_people_do_with_kubectl_is_undone(space: Space, command: tuple[str, ...]) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    await space.ready(await space.kustomization(), ONE)
    before = await space.kube.get(space.config_map())
    await kubectl(space, *command)

    def as_before(live: Manifest) -> bool:
        same = all(live["metadata"].get(key) == before["metadata"].get(key) for key in ("labels", "annotations"))
        return (
            same
            and live.get("data") == {"a": "1"}
            and live["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
        )

    await space.until(space.config_map(), as_before)


@needs_kubectl
@pytest.mark.parametrize("server_side", [False, True])
async def test_what_kubectl_applied_before_is_taken_over(space: Space, server_side: bool) -> None:
    """Keys that Git does not have go, and kubectl's own note of what it applied."""
    old = CONFIG_MAP.replace("{a: '1'}", "{a: '0', old: x}")
    await kubectl(space, "apply", "-f", "-", *(["--server-side"] if server_side else []), stdin=old)
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    await space.ready(await space.kustomization(), ONE)
    live = await space.kube.get(space.config_map())
    assert live["data"] == {"a": "1"}
    assert "annotations" not in live["metadata"]
    assert [entry["manager"] for entry in live["metadata"]["managedFields"]] == ["kustomize-controller"]


async def test_what_helm_and_operators_wrote_stays_theirs(space: Space) -> None:
    """As Helm installs: an update by the manager `helm`."""
    old: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": space.name, "labels": {"app.kubernetes.io/managed-by": "Helm"}},
        "data": {"a": "0", "theirs": "x"},
    }
    await space.kube.managing_as("helm").create(old)
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    await space.ready(await space.kustomization(), ONE)
    live = await space.kube.get(space.config_map())
    assert live["data"] == {"a": "1", "theirs": "x"}
    assert live["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    managers = {(entry["manager"], entry["operation"]) for entry in live["metadata"]["managedFields"]}
    assert managers == {("kustomize-controller", "Apply"), ("helm", "Update")}
