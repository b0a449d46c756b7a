"""How live objects are read: what is ignored counts for nothing, from when it is told until it is taken back."""

from typing import Any

from fleetloop.kube.live_object import Reading
from fleetloop.kube.managers import Takeover
from fleetloop.kube.objects import Manifest, ref_of

REPLICAS = ("spec", "replicas")


def deployment(replicas: int, **metadata: Any) -> Manifest:
    entry = {"manager": "hpa", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}, "time": f"t{replicas}"}
    named = {"name": "web", "namespace": "apps", "resourceVersion": str(replicas), "managedFields": [entry]} | metadata
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named, "spec": {"replicas": replicas}}


def test_ignored_places_until_they_are_taken_back() -> None:
    reading, ref = Reading(Takeover("ours")), ref_of(deployment(1))
    assert reading.plain(deployment(1)).fingerprint != reading.plain(deployment(2)).fingerprint
    assert reading.ignore({ref: (REPLICAS,)}) == {("apps/v1", "Deployment")}
    assert reading.ignore({ref: (REPLICAS,)}) == set(), "nothing new"
    one, two = reading.plain(deployment(1)), reading.plain(deployment(2))
    assert (one.fingerprint, one.ownership) == (two.fingerprint, two.ownership)
    assert reading.ignore({ref: ()}) == {("apps/v1", "Deployment")}
    assert reading.plain(deployment(1)).fingerprint != reading.plain(deployment(2)).fingerprint


def test_the_switch_of_an_object_and_its_content() -> None:
    reading = Reading(Takeover("ours"))
    asks = deployment(1, annotations={"kustomize.fleetloop.dev/drift-repair": "Disabled"})
    assert reading.plain(asks).left_alone
    assert not reading.plain(deployment(1)).left_alone
    assert not reading.plain(asks).content
    assert b'"replicas":1' in reading.whole(asks).content
