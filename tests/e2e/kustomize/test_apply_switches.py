"""What an apply does to one object, by what Git, the object and the settings say. A real API server, and no controller."""

import copy
import itertools
from typing import Any

import pytest

from fleetloop.kube import Manifest, ObjectRef, ref_of
from fleetloop.kube.apply import ApplyFailed, ApplySettings, ChangeSet, apply_in_stages, until_current
from fleetloop.kube.prune import prune
from tests.e2e.kustomize.conftest import Space

pytestmark = pytest.mark.asyncio(loop_scope="package")

OURS = "kustomize-controller"
GROUP = "kustomize.toolkit.fluxcd.io"


def config_map(space: Space, name: str = "cm", **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space.name}, "data": data}


def marked(manifest: Manifest, place: str, switch: str, value: str) -> Manifest:
    """`place`: labels or annotations."""
    found = copy.deepcopy(manifest)
    found["metadata"].setdefault(place, {})[f"{GROUP}/{switch}"] = value
    return found


async def apply(space: Space, *objects: Manifest, **settings: Any) -> ChangeSet:
    return await apply_in_stages(space.kube, objects, ApplySettings(OURS, **settings), until_current)


async def action(space: Space, manifest: Manifest, **settings: Any) -> str:
    [change] = (await apply(space, manifest, **settings)).changes
    return change.action


PLACES = ("labels", "annotations")
CASES = ("disabled", "DISABLED", "Disabled")


@pytest.mark.parametrize(
    ("place", "switch", "value"),
    [(place, "reconcile", value) for place, value in itertools.product(PLACES, CASES)]
    + [(place, "ssa", value) for place, value in itertools.product(PLACES, ("Ignore", "ignore", "IGNORE"))],
)
async def test_ignored_objects_are_skipped_by_what_either_says_and_never_pruned(
    space: Space, place: str, switch: str, value: str
) -> None:
    desired = marked(config_map(space, a="2"), place, switch, value)
    assert await action(space, desired) == "skipped"
    assert await space.kube.find(ref_of(desired)) is None, "not created either"
    await space.kube.create(config_map(space, a="1"))
    assert await action(space, desired) == "skipped"
    mark = {"metadata": {place: {f"{GROUP}/{switch}": value}}}
    await space.kube.patch(ref_of(desired), mark, field_manager="kubectl-annotate")
    changes = await apply(space, config_map(space, a="2"))
    assert [change.action for change in changes.changes] == ["skipped"]
    assert changes.refs == [ref_of(desired)], "it stays in the inventory"
    assert (await space.kube.get(ref_of(desired)))["data"] == {"a": "1"}
    pruned = await prune(space.kube, changes.refs, lambda _: True, {})
    assert pruned.lines == [f"ConfigMap/{space.name}/cm skipped"]


@pytest.mark.parametrize(("place", "value"), list(itertools.product(PLACES, ("IfNotPresent", "ifnotpresent"))))
async def test_if_not_present_counts_in_git_alone_and_is_pruned(space: Space, place: str, value: str) -> None:
    desired = marked(config_map(space, a="1"), place, "ssa", value)
    assert await action(space, desired) == "created"
    await space.kube.patch(ref_of(desired), {"data": {"a": "theirs"}})
    assert await action(space, desired) == "skipped"
    assert (await space.kube.get(ref_of(desired)))["data"] == {"a": "theirs"}
    assert await action(space, config_map(space, a="1")) == "configured", "the live object's word does not count"
    await action(space, desired)
    pruned = await prune(space.kube, [ref_of(desired)], lambda _: True, {})
    assert pruned.deleted == [ref_of(desired)]


@pytest.mark.parametrize(
    ("where", "place", "value", "stays"),
    [
        (where, place, value, value.lower() == "merge")
        for where, place, value in itertools.product(("desired", "live"), PLACES, ("Merge", "merge", "Override"))
    ],
)
async def test_merge_leaves_what_kubectl_wrote(space: Space, where: str, place: str, value: str, stays: bool) -> None:
    await apply(space, config_map(space, a="1"))
    ref = ObjectRef("v1", "ConfigMap", space.name, "cm")
    edit: dict[str, Any] = {"data": {"b": "2"}}
    desired = config_map(space, a="1")
    if where == "live":
        edit["metadata"] = {place: {f"{GROUP}/ssa": value}}
    else:
        desired = marked(desired, place, "ssa", value)
    await space.kube.patch(ref, edit, field_manager="kubectl-edit")
    await apply(space, desired)
    live = await space.kube.get(ref)
    assert ("b" in live["data"]) == stays
    managers = {entry["manager"] for entry in live["metadata"]["managedFields"]}
    assert ("kubectl-edit" in managers) == stays


@pytest.mark.parametrize(
    ("place", "switch", "value"),
    [
        (place, switch, value)
        for place in PLACES
        for switch, value in (("prune", "disabled"), ("prune", "DISABLED"), ("prune", "enabled"))
    ],
)
async def test_prune_disabled_counts_on_the_live_object(space: Space, place: str, switch: str, value: str) -> None:
    desired = marked(config_map(space), place, switch, value)
    await apply(space, desired)
    pruned = await prune(space.kube, [ref_of(desired)], lambda _: True, {})
    assert bool(pruned.deleted) == (value == "enabled")


def job(space: Space, image: str = "registry.example/x:1") -> Manifest:
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job", "namespace": space.name}, "spec": spec}


def service(space: Space, cluster_ip: str = "") -> Manifest:
    spec: dict[str, Any] = {"selector": {"app": "x"}, "ports": [{"port": 80}]}
    if cluster_ip:
        spec["clusterIP"] = cluster_ip
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc", "namespace": space.name}, "spec": spec}


def sealed(space: Space, value: str) -> Manifest:
    return config_map(space, "sealed", a=value) | {"immutable": True}


def deployment(space: Space, app: str) -> Manifest:
    labels = {"app": app}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "registry.example/x:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": space.name}, "spec": spec}


def binding(space: Space, role: str) -> Manifest:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "b", "namespace": space.name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "x", "namespace": space.name}],
    }


PAIRS = {
    "a Job's template": lambda space: (job(space), job(space, "registry.example/x:2")),
    "an immutable ConfigMap": lambda space: (sealed(space, "1"), sealed(space, "2")),
    "a Deployment's selector": lambda space: (deployment(space, "one"), deployment(space, "two")),
    "a RoleBinding's role": lambda space: (binding(space, "view"), binding(space, "edit")),
    "a Service's address": lambda space: (service(space), service(space, "None")),
}


@pytest.mark.parametrize("what", PAIRS)
@pytest.mark.parametrize("way", ["settings", "desired label", "desired annotation", "live annotation", "not at all"])
async def test_what_cannot_be_changed_is_recreated_when_asked_for(space: Space, what: str, way: str) -> None:
    first, second = PAIRS[what](space)
    await apply(space, first)
    ref = ref_of(first)
    before = await space.kube.get(ref)
    force = way == "settings"
    if way.startswith("desired"):
        second = marked(second, f"{way.removeprefix('desired ')}s", "force", "Enabled")
    elif way.startswith("live"):
        mark = {"metadata": {"annotations": {f"{GROUP}/force": "enabled"}}}
        await space.kube.patch(ref, mark, field_manager="somebody")
    if way == "not at all":
        with pytest.raises(ApplyFailed, match=r"dry-run failed \(Invalid\)"):
            await apply(space, second)
        assert (await space.kube.get(ref))["metadata"]["uid"] == before["metadata"]["uid"]
        return
    await apply(space, second, force=force)
    assert (await space.kube.get(ref))["metadata"]["uid"] != before["metadata"]["uid"]


async def test_what_can_never_be_valid_is_refused_before_the_old_one_is_deleted(space: Space) -> None:
    """Flux deletes on any 422, and then there is neither the old nor the new one."""
    await apply(space, deployment(space, "one"))
    ref = ObjectRef("apps/v1", "Deployment", space.name, "d")
    before = await space.kube.get(ref)
    broken = deployment(space, "one")
    broken["spec"]["replicas"] = -1
    with pytest.raises(ApplyFailed, match=r"recreate failed .*spec\.replicas"):
        await apply(space, broken, force=True)
    assert (await space.kube.get(ref))["metadata"]["uid"] == before["metadata"]["uid"]


async def test_a_fixed_address_of_the_old_one_does_not_stand_in_the_way(space: Space) -> None:
    await apply(space, service(space))
    address = (await space.kube.get(ObjectRef("v1", "Service", space.name, "svc")))["spec"]["clusterIP"]
    await apply(space, service(space, address) | {"metadata": {"name": "svc", "namespace": space.name}})
    change = await action(space, service(space, address))
    assert change == "unchanged"


async def test_custom_kinds_come_after_definitions_and_before_the_rest_and_are_not_waited_for_sk26(space: Space) -> None:
    """SK26: the third stage; a Deployment in it that never gets ready holds up nobody."""
    stuck = deployment(space, "one")
    stuck["spec"]["replicas"] = 1
    stuck["spec"]["template"]["spec"]["nodeSelector"] = {"no": "where"}
    invalid = config_map(space, "bad")
    invalid["data"] = [1]
    with pytest.raises(ApplyFailed) as error:
        await apply(space, invalid, config_map(space, "good"), stuck, custom_stage_kinds=frozenset({("apps", "Deployment")}))
    assert error.value.changes.refs == [ref_of(stuck)], "its stage was through when the last one was refused"
    assert await space.kube.find(ObjectRef("v1", "ConfigMap", space.name, "good")) is None


async def test_nothing_of_a_stage_is_written_before_all_of_it_was_dry_run_sk26(space: Space) -> None:
    """SK26, in each stage: also where the refused object comes last in order."""
    good, bad = config_map(space, "a"), deployment(space, "one")
    bad["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    with pytest.raises(ApplyFailed):
        await apply(space, good, bad)
    assert await space.kube.find(ref_of(good)) is None


async def test_what_was_applied_before_a_refusal_is_told_sk27(space: Space) -> None:
    """SK27: so that it is owned from then on."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{space.name}-more"}}
    bad = config_map(space, "bad")
    bad["data"] = [1]
    with pytest.raises(ApplyFailed) as error:
        await apply(space, namespace, bad)
    assert error.value.changes.refs == [ref_of(namespace)]


async def test_a_second_apply_changes_nothing(space: Space) -> None:
    """Ports without a protocol and an autoscaler whose metrics are named twice among them."""
    resource = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h", "namespace": space.name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
            "minReplicas": 1,
            "maxReplicas": 2,
            "metrics": [resource, resource],
        },
    }
    ports = deployment(space, "one")
    ports["spec"]["template"]["spec"]["containers"][0]["ports"] = [
        {"containerPort": 80},
        {"containerPort": 53, "protocol": "UDP"},
    ]
    objects = [scaler, ports, service(space), job(space), binding(space, "view"), sealed(space, "1")]
    first = await apply(space, *objects)
    second = await apply(space, *objects)
    content = [{change.ref: change.fingerprint for change in changes.changes} for changes in (first, second)]
    assert content[0] == content[1]
    generation = (await space.kube.get(ref_of(ports)))["metadata"]["generation"]
    assert generation == 1


async def test_entries_of_older_versions_are_rewritten_by_the_gate(space: Space) -> None:
    """MigrateAPIVersion, for everybody's entries: a version that is no longer served would otherwise be lost with its fields."""
    scaler: Manifest = {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h", "namespace": space.name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
            "minReplicas": 1,
            "maxReplicas": 2,
        },
    }
    await space.kube.apply(scaler, field_manager="somebody")
    await apply(space, scaler)
    newer = scaler | {"apiVersion": "autoscaling/v2"}
    await apply(space, newer)
    before = await space.kube.get(ref_of(newer))
    assert {entry["apiVersion"] for entry in before["metadata"]["managedFields"]} == {"autoscaling/v1", "autoscaling/v2"}
    await apply(space, newer, migrates=True)
    live = await space.kube.get(ref_of(newer))
    assert {entry["apiVersion"] for entry in live["metadata"]["managedFields"]} == {"autoscaling/v2"}
    assert live["metadata"]["uid"] == before["metadata"]["uid"]
    assert await action(space, newer, migrates=True) == "unchanged"


async def test_the_managers_of_the_flag_are_taken_over(space: Space) -> None:
    await space.kube.apply(config_map(space, a="0", theirs="x"), field_manager="old-tool")
    ref = ObjectRef("v1", "ConfigMap", space.name, "cm")
    await apply(space, config_map(space, a="1"))
    assert (await space.kube.get(ref))["data"] == {"a": "1", "theirs": "x"}
    await apply(space, config_map(space, a="1"), taken_over=("old-tool",))
    assert (await space.kube.get(ref))["data"] == {"a": "1"}
