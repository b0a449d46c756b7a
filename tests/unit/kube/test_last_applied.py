"""Objects that need no request: desired and live are as they were when last applied."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from fleetloop.kube.apply import Change
from fleetloop.kube.kstatus import Health
from fleetloop.kube.last_applied import LastApplied
from fleetloop.kube.live import LiveObject
from fleetloop.kube.objects import Manifest, fingerprint_of, ref_of, version_of
from fleetloop.kube.ownership import Ownership

LIVE: Manifest = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "app",
        "namespace": "apps",
        "uid": "1",
        "resourceVersion": "7",
        "labels": {"a": "b"},
        "managedFields": [
            {"manager": "kustomize-controller", "operation": "Apply", "time": "2026-01-01T00:00:00Z"},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"},
        ],
    },
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 1},
}
DESIRED: Manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app", "namespace": "apps"}, "spec": {}}


def changed(path: str, value: Any) -> Manifest:
    found = copy.deepcopy(LIVE)
    *parents, last = path.split(".")
    inner: Any = found
    for step in parents:
        inner = inner[int(step) if step.isdigit() else step]
    inner[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.resourceVersion", "8"),
        ("metadata.generation", 2),
        ("status.observedGeneration", 2),
        ("metadata.managedFields.0.time", "2026-01-01T00:00:09Z"),
        ("metadata.managedFields.1.manager", "another-status-writer"),
    ],
)
def test_what_changes_by_itself_is_not_in_the_fingerprint(path: str, value: Any) -> None:
    assert fingerprint_of(changed(path, value)) == fingerprint_of(LIVE)


def test_nor_what_is_annotated_together_with_status() -> None:
    live = changed("metadata.annotations", {"deployment.kubernetes.io/revision": "2"})
    fields: dict[str, Any] = {
        "f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}},
        "f:status": {},
    }
    live["metadata"]["managedFields"][1]["fieldsV1"] = fields
    assert fingerprint_of(live) == fingerprint_of(LIVE)
    live["metadata"]["annotations"]["other"] = "1"
    assert fingerprint_of(live) != fingerprint_of(LIVE)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.replicas", 2),
        ("metadata.labels.a", "c"),
        ("metadata.uid", "2"),
        ("metadata.deletionTimestamp", "2026-01-01T00:00:00Z"),
        ("metadata.managedFields.0.manager", "kubectl"),
        ("metadata.managedFields.0.operation", "Update"),
    ],
)
def test_everything_else_is(path: str, value: Any) -> None:
    assert fingerprint_of(changed(path, value)) != fingerprint_of(LIVE)


def seen(manifest: Manifest) -> LiveObject:
    metadata = manifest["metadata"]
    return LiveObject(
        metadata["namespace"], metadata["name"], version_of(manifest), 1, Health("Current"), fingerprint=fingerprint_of(manifest)
    )


def known_after_apply(live: LiveObject | None) -> LastApplied:
    last = LastApplied("", lambda _: live)
    last.remember([DESIRED], [Change(ref_of(DESIRED), "created", 7, fingerprint_of(LIVE))])
    return last


def test_nothing_to_do_when_only_status_moved_on() -> None:
    live = seen(changed("metadata.resourceVersion", "9"))
    assert known_after_apply(live).find(DESIRED) == Change(ref_of(DESIRED), "unchanged", 9, live.fingerprint)


def test_what_is_as_it_was_keeps_the_places_that_others_may_change() -> None:
    """Else the next pass would watch them; and what was left out is not told anew."""
    last = LastApplied("", lambda _: seen(LIVE))
    places = (("spec", "replicas"),)
    last.remember([DESIRED], [Change(ref_of(DESIRED), "configured", 7, fingerprint_of(LIVE), places, ("spec.typo",))])
    assert last.find(DESIRED) == Change(ref_of(DESIRED), "unchanged", 7, fingerprint_of(LIVE), places)


def test_a_foreign_write_is_not_as_it_was() -> None:
    assert known_after_apply(seen(changed("spec.replicas", 3))).find(DESIRED) is None


def test_an_object_that_is_gone_or_not_yet_seen_is_not_as_it_was() -> None:
    assert known_after_apply(None).find(DESIRED) is None


def test_another_desired_state_is_not_as_it_was() -> None:
    assert known_after_apply(seen(LIVE)).find(DESIRED | {"spec": {"replicas": 2}}) is None


def test_skipped_and_dropped_objects_are_not_remembered() -> None:
    last = LastApplied("", lambda _: seen(LIVE))
    last.remember([DESIRED], [Change(ref_of(DESIRED), "skipped", 7, fingerprint_of(LIVE))])
    assert last.find(DESIRED) is None
    last = known_after_apply(seen(LIVE))
    last.remember([], [])
    assert last.find(DESIRED) is None


def test_an_apply_that_failed_adds_to_what_is_known() -> None:
    """Of what it did not come to the old knowledge holds, and of what the server failed at nothing is known."""
    other = DESIRED | {"metadata": DESIRED["metadata"] | {"name": "other"}}
    last = known_after_apply(seen(LIVE))
    last.remember([DESIRED, other], [Change(ref_of(other), "created", 8, fingerprint_of(LIVE))])
    assert last.find(DESIRED) and last.find(other)
    last.remember([DESIRED, other], [Change(ref_of(DESIRED), "unknown")])
    assert last.find(DESIRED) is None and last.find(other)


def test_a_write_before_the_first_sight_is_noticed() -> None:
    """The watch of a kind begins after its first apply; what is written in between is no version that it tells. What others add
    beside our fields is no write of ours."""
    ref = ref_of(LIVE)
    mine = Ownership(ours=b"all", held=2, since="s")
    known = LastApplied("", lambda _: None)
    known.remember([DESIRED], [Change(ref, "created", 7, fingerprint_of(LIVE), ownership=mine)])
    drifted = changed("spec.replicas", 2)
    drifted["metadata"]["resourceVersion"] = "8"
    taken, beside = Ownership(ours=b"less", held=1, since="s"), Ownership(b"all", 2, "s", {"other@s": ("x",)})
    assert known.is_outdated(ref, replace(seen(drifted), ownership=taken))
    assert not known.is_outdated(ref, replace(seen(drifted), ownership=beside))
    assert not known.is_outdated(ref, replace(seen(drifted), ownership=taken, version=7))
    assert not known.is_outdated(ref, replace(seen(changed("metadata.resourceVersion", "8")), ownership=taken))
