"""What a deleted Kustomization takes along: every policy, with and without prune, suspended or not. source-kustomize.md 8.9."""

import pytest

from fleetloop.kube import ObjectRef
from tests.e2e.kustomize.conftest import Space
from tests.e2e.kustomize.test_kustomization import CONFIG_MAP, ONE
from tests.kit.remote import ADMIN

pytestmark = pytest.mark.asyncio(loop_scope="package")

HELD = CONFIG_MAP.replace("{name: settings}", "{name: settings, finalizers: [example.com/hold]}")


@pytest.mark.parametrize("suspended", [False, True])
@pytest.mark.parametrize(
    ("policy", "prune", "deletes"),
    [
        (None, True, True),
        (None, False, False),
        ("MirrorPrune", True, True),
        ("MirrorPrune", False, False),
        ("Delete", True, True),
        ("Delete", False, True),
        ("WaitForTermination", True, True),
        ("WaitForTermination", False, True),
        ("Orphan", True, False),
        ("Orphan", False, False),
    ],
)
async def test_the_policy_decides(space: Space, policy: str | None, prune: bool, deletes: bool, suspended: bool) -> None:
    """Nothing goes while it is suspended, whatever the policy."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(deletionPolicy=policy, prune=prune)
    await space.ready(ref, ONE)
    if suspended:
        await space.kube.patch(ref, {"spec": {"suspend": True}})
    await space.kube.delete(ref)
    await space.until_gone(ref)
    found = await space.kube.find(space.config_map())
    assert (found is None) == (deletes and not suspended)


async def test_termination_is_waited_for(space: Space) -> None:
    await space.publish({"cm.yaml": HELD}, ONE)
    ref = await space.kustomization(deletionPolicy="WaitForTermination")
    await space.ready(ref, ONE)
    await space.kube.delete(ref)
    await space.until(space.config_map(), lambda live: bool(live["metadata"].get("deletionTimestamp")))
    await space.event("ConfigMap/" + space.name + "/settings deleted")
    assert await space.kube.find(ref)
    await space.kube.patch(space.config_map(), {"metadata": {"finalizers": None}})
    await space.until_gone(ref)


async def test_without_waiting_the_kustomization_goes_first(space: Space) -> None:
    await space.publish({"cm.yaml": HELD}, ONE)
    ref = await space.kustomization(deletionPolicy="Delete")
    await space.ready(ref, ONE)
    await space.kube.delete(ref)
    await space.until_gone(ref)
    assert (await space.kube.get(space.config_map()))["metadata"]["deletionTimestamp"]
    await space.kube.patch(space.config_map(), {"metadata": {"finalizers": None}})


async def test_a_termination_that_takes_too_long_is_told_and_let_go(space: Space) -> None:
    """The shortest timeout is 30 s; no worker is held meanwhile."""
    await space.publish({"cm.yaml": HELD}, ONE)
    ref = await space.kustomization(deletionPolicy="WaitForTermination", timeout="1s")
    await space.ready(ref, ONE)
    await space.kube.delete(ref)
    await space.until_gone(ref)
    event = await space.event("failed to wait for resources termination")
    assert (event["type"], event["reason"]) == ("Warning", "ReconciliationFailed")
    await space.kube.patch(space.config_map(), {"metadata": {"finalizers": None}})


async def test_without_its_service_account_the_objects_are_left_and_people_are_told(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    await space.kube.delete(ObjectRef("v1", "ServiceAccount", space.name, ADMIN))
    await space.kube.delete(ref)
    await space.until_gone(ref)
    assert await space.kube.find(space.config_map())
    message = f"unable to prune objects: \nConfigMap/{space.name}/settings"
    event = await space.event("unable to prune objects")
    assert (event["type"], event["message"]) == ("Warning", message)


async def test_what_may_not_be_deleted_blocks_and_is_told(space: Space) -> None:
    """Delete errors: an event and back-off; the object stays known."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    binding = ObjectRef("rbac.authorization.k8s.io/v1", "RoleBinding", space.name, ADMIN)
    found = await space.kube.get(binding)
    await space.kube.delete(binding)
    await space.kube.delete(ref)
    event = await space.event("pruning for deleted resource failed")
    assert (event["type"], event["reason"]) == ("Warning", "PruneFailed")
    assert await space.kube.find(ref)
    found["metadata"] = {"name": ADMIN, "namespace": space.name}
    await space.kube.create(found)
    await space.until_gone(ref)
    assert await space.kube.find(space.config_map()) is None
