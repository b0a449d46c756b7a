"""What managedFields tell about foreign writes."""

from typing import Any

from fleetloop.kube.ownership import Ownership, ownership_of
from fleetloop.kube.pointers import Pointer, pointer_from

OURS = "kustomize-controller"


def read(*entries: dict[str, Any], ignored: tuple[Pointer, ...] = ()) -> Ownership:
    manifest = {"metadata": {"managedFields": list(entries)}, "spec": {"replicas": 3}}
    return ownership_of(manifest, OURS, ("old-tool",), ignored)


def ours(fields: dict[str, Any], time: str = "t1") -> dict[str, Any]:
    return {"manager": OURS, "operation": "Apply", "time": time, "fieldsV1": fields}


def theirs(manager: str, fields: dict[str, Any], time: str = "t2", subresource: str = "") -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields, "subresource": subresource}


BOTH: dict[str, Any] = {"f:data": {"f:a": {}, "f:b": {}}}
ONE: dict[str, Any] = {"f:data": {"f:b": {}}}
TAKEN: dict[str, Any] = {"f:data": {"f:a": {}}}
REPLICAS: dict[str, Any] = {"f:spec": {"f:replicas": {}}}


def test_who_took_a_field_of_ours_is_named_with_what_it_wrote() -> None:
    assert read(ours(ONE), theirs("helm", TAKEN)).writers_since(read(ours(BOTH))) == {"helm": ("data.a",)}


def test_our_own_writes_and_status_are_none() -> None:
    assert not read(ours(ONE, "t2")).writers_since(read(ours(BOTH)))
    assert not read(ours(BOTH, "t2")).writers_since(read(ours(BOTH)))
    status = theirs("kube-controller-manager", {"f:status": {}}, subresource="status")
    assert not read(ours(BOTH), status).writers_since(read(ours(BOTH)))


def test_a_repair_within_the_second_of_the_apply_is_our_own() -> None:
    assert read(ours(ONE), theirs("helm", TAKEN)).writers_since(read(ours(BOTH)))
    assert not read(ours(BOTH)).writers_since(read(ours(ONE), theirs("helm", TAKEN)))


def test_what_others_add_beside_our_fields_is_theirs() -> None:
    added = theirs("operator", {"f:metadata": {"f:labels": {"f:x": {}}}})
    assert not read(ours(BOTH), added).writers_since(read(ours(BOTH)))


def test_what_the_next_apply_takes_over_is_a_foreign_write_even_beside_our_fields() -> None:
    for manager in ("kubectl-edit", "old-tool"):
        added = theirs(manager, {"f:data": {"f:new": {}}})
        assert read(ours(BOTH), added).writers_since(read(ours(BOTH))) == {manager: ("data.new",)}
    restart: dict[str, Any] = {
        "f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}}
    }
    found = {
        "metadata": {"managedFields": [ours(BOTH), theirs("kubectl-rollout", restart)]},
        "spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}},
    }
    assert not ownership_of(found, OURS).writers_since(read(ours(BOTH))), "a restart is nobody's drift"


def test_scaling_is_drift_unless_the_place_is_ignored() -> None:
    before, scaled = ours(BOTH | REPLICAS), (ours(BOTH), theirs("hpa", REPLICAS, subresource="scale"))
    assert read(*scaled).writers_since(read(before)) == {"hpa": ("spec.replicas",)}
    ignored = (pointer_from("/spec/replicas"),)
    assert not read(*scaled, ignored=ignored).writers_since(read(before, ignored=ignored))


def test_a_writer_without_a_name() -> None:
    assert read().writers_since(read(ours(BOTH))) == {"": ()}
    assert read(ours(ONE), theirs("helm", TAKEN)).writers_since(read(ours(BOTH), theirs("helm", {}))) == {"": ()}
