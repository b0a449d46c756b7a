"""spec.ignore against a real API server: what others may change is neither repaired nor overwritten."""

import asyncio
import json
from dataclasses import replace

import pytest

from fleetloop.kube import Manifest, ObjectRef
from tests.e2e.kustomize.conftest import DEADLINE, Space
from tests.e2e.kustomize.test_kustomization import CONFIG_MAP, DEPLOYMENT, ONE, REQUESTED_AT, THREE, TWO
from tests.kit.conditions import condition

pytestmark = pytest.mark.asyncio(loop_scope="package")

REPLICAS = [{"paths": ["/spec/replicas"], "target": {"kind": "Deploy.*"}}]


def web(space: Space) -> ObjectRef:
    return ObjectRef("apps/v1", "Deployment", space.name, "web")


async def scale(space: Space, replicas: int) -> None:
    await space.kube.patch(web(space), {"spec": {"replicas": replicas}}, subresource="scale", field_manager="hpa")


async def replicas(space: Space) -> int:
    found: int = (await space.kube.get(web(space)))["spec"]["replicas"]
    return found


def passes(space: Space) -> int:
    """How often the Kustomization `app` was applied."""
    lines = (space.world.controller.folder / "log").read_text().splitlines()
    entries = [json.loads(line) for line in lines if "server-side apply completed" in line]
    return sum(entry.get("namespace") == space.name and entry.get("name") == "app" for entry in entries)


async def disturb_and_wait(space: Space) -> None:
    """A foreign write that is repaired: what was seen before it has had its effect."""
    await space.kube.patch(space.config_map(), {"data": {"a": "foreign"}}, field_manager="somebody")
    await space.until(space.config_map(), lambda live: live["data"] == {"a": "1"})


async def pass_by_hand(space: Space, ref: ObjectRef, token: str) -> int:
    """The number of passes with this one, when it is over; whatever woke the Kustomization before had its pass."""
    await space.kube.patch(ref, {"metadata": {"annotations": {REQUESTED_AT: token}}})
    await space.until(ref, lambda live: live["status"].get("lastHandledReconcileAt") == token)
    return passes(space)


async def test_an_autoscaler_costs_no_pass_and_keeps_its_number(space: Space) -> None:
    await space.publish({"web.yaml": DEPLOYMENT, "cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(ignore=REPLICAS)
    await space.ready(ref, ONE)
    assert await replicas(space) == 1, "a new object gets the value of Git"
    before = await pass_by_hand(space, ref, "one")
    for number in (3, 4, 5):
        await scale(space, number)
    await disturb_and_wait(space)
    assert await replicas(space) == 5
    assert await pass_by_hand(space, ref, "two") == before + 2, "the one for the other object, and the one asked for"

    await space.publish({"web.yaml": DEPLOYMENT.replace("web:1", "web:2"), "cm.yaml": CONFIG_MAP}, TWO)
    await space.ready(ref, TWO)
    live = await space.kube.get(web(space))
    assert live["spec"]["template"]["spec"]["containers"][0]["image"].endswith("web:2")
    assert live["spec"]["replicas"] == 5, "written for another reason, the value of the cluster is kept"

    await space.kustomization()
    await space.until(web(space), lambda live: live["spec"]["replicas"] == 1)


async def test_places_stay_ignored_after_a_pass_that_did_not_ask_for_their_object(space: Space) -> None:
    await space.publish({"web.yaml": DEPLOYMENT, "cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(ignore=REPLICAS)
    await space.ready(ref, ONE)
    await space.publish({"web.yaml": DEPLOYMENT.replace("{name: web}", "{name: free}")}, ONE, "elsewhere")
    elsewhere = {"kind": "GitRepository", "name": "elsewhere"}
    await space.ready(await space.kustomization("other", sourceRef=elsewhere), ONE)
    before = await pass_by_hand(space, ref, "one")
    await disturb_and_wait(space)
    async with asyncio.timeout(DEADLINE):
        while passes(space) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # a log tells nobody
    free = replace(web(space), name="free")
    await space.kube.patch(free, {"spec": {"replicas": 2}}, field_manager="somebody")
    await space.until(free, lambda live: live["spec"]["replicas"] == 1)  # so Deployments are watched, with what counts now
    await scale(space, 3)  # for the first time, so that it takes the field from us
    await disturb_and_wait(space)
    assert await pass_by_hand(space, ref, "two") == before + 3, "two for the other object, and the one asked for"
    assert await replicas(space) == 3


async def test_without_a_rule_scaling_is_drift(space: Space) -> None:
    await space.publish({"web.yaml": DEPLOYMENT}, ONE)
    await space.ready(await space.kustomization(), ONE)
    await scale(space, 3)
    await space.until(web(space), lambda live: live["spec"]["replicas"] == 1)


async def test_what_another_applier_owns_is_left_to_it(space: Space) -> None:
    await space.publish({"web.yaml": DEPLOYMENT}, ONE)
    ref = await space.kustomization(ignore=REPLICAS)
    await space.ready(ref, ONE)
    mine: Manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": space.name},
        "spec": {"replicas": 4},
    }
    await space.kube.apply(mine, field_manager="scaler")
    await space.publish({"web.yaml": DEPLOYMENT.replace("web:1", "web:2")}, TWO)
    await space.ready(ref, TWO)
    live = await space.kube.get(web(space))
    assert live["spec"]["replicas"] == 4
    owners = [e["manager"] for e in live["metadata"]["managedFields"] if "f:replicas" in e["fieldsV1"].get("f:spec", {})]
    assert owners == ["scaler"]


async def test_a_pass_by_hand_finds_nothing_to_do(space: Space) -> None:
    """Every object is asked for; ignored places are no difference."""
    await space.publish({"web.yaml": DEPLOYMENT}, ONE)
    ref = await space.kustomization(ignore=REPLICAS)
    await space.ready(ref, ONE)
    await scale(space, 7)
    version = (await space.kube.get(web(space)))["metadata"]["generation"]
    await space.kube.patch(ref, {"metadata": {"annotations": {REQUESTED_AT: "now"}}})
    await space.until(ref, lambda live: live["status"].get("lastHandledReconcileAt") == "now")
    live = await space.kube.get(web(space))
    assert (live["spec"]["replicas"], live["metadata"]["generation"]) == (7, version)


async def test_targets_are_matched_whole_and_escapes_read(space: Space) -> None:
    annotated = CONFIG_MAP.replace("{name: settings}", "{name: settings, annotations: {example.com/by: git}}")
    await space.publish({"cm.yaml": annotated}, ONE)
    rules = [
        {"paths": ["/metadata/annotations/example.com~1by"], "target": {"name": "sett.*", "labelSelector": "!absent"}},
        {"paths": ["/data/a"], "target": {"name": "sett"}},
    ]
    await space.ready(await space.kustomization(ignore=rules), ONE)
    changed = {"metadata": {"annotations": {"example.com/by": "me"}}, "data": {"a": "2"}}
    await space.kube.patch(space.config_map(), changed, field_manager="somebody")
    live = await space.until(space.config_map(), lambda live: live["data"] == {"a": "1"})
    assert live["metadata"]["annotations"]["example.com/by"] == "me"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"paths": ["spec/replicas"]}, "spec.ignore[0]: 'spec/replicas' is not a JSON pointer"),
        ({"paths": ["/a"], "target": {"name": "("}}, "spec.ignore[0]: name: invalid regular expression '('"),
    ],
)
async def test_a_rule_that_cannot_be_read_is_told(space: Space, rule: Manifest, message: str) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, THREE)
    live = await space.failed(await space.kustomization(ignore=[rule]), "ReconciliationFailed")
    assert message in condition(live, "Ready")["message"]
