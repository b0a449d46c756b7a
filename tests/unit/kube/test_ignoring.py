"""spec.ignore: which places of which objects, and what is sent instead."""

from typing import Any

import pytest

from fleetloop.api.applier import IgnoreRule, Selector
from fleetloop.kube.ignoring import differs, ignore_rules, request_for
from fleetloop.kube.objects import Manifest, fingerprint_of
from fleetloop.kube.pointers import field_names, left_of, pointer_from, value_at, with_value, without
from fleetloop.kube.selectors import label_selector

OURS = "kustomize-controller"
REPLICAS = pointer_from("/spec/replicas")
IMAGE = pointer_from("/spec/containers/1/image")


def deployment(replicas: int | None = 1, *entries: dict[str, Any], **metadata: Any) -> Manifest:
    spec: dict[str, Any] = {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}
    if replicas is not None:
        spec["replicas"] = replicas
    named = {"name": "web", "namespace": "apps", "managedFields": list(entries)} | metadata
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named, "spec": spec}


def entry(manager: str, operation: str, fields: dict[str, Any], subresource: str = "") -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": fields} | (
        {"subresource": subresource} if subresource else {}
    )


@pytest.mark.parametrize(
    ("selector", "selects"),
    [
        (Selector(), True),
        (Selector(kind="Deployment", name="web", namespace="apps", group="apps", version="v1"), True),
        (Selector(kind="Deploy"), False),  # anchored
        (Selector(kind="Deploy.*"), True),
        (Selector(name="we|x"), False),  # the alternatives are anchored too
        (Selector(name="web|x"), True),
        (Selector(namespace="team-.*"), False),
        (Selector(label_selector="tier in (gold, silver), !old"), True),
        (Selector(label_selector="tier=bronze"), False),
        (Selector(annotation_selector="scaled"), True),
        (Selector(annotation_selector="scaled!=yes"), False),
    ],
)
def test_targets(selector: Selector, selects: bool) -> None:
    found = deployment(labels={"tier": "gold"}, annotations={"scaled": "yes"})
    rules = ignore_rules([IgnoreRule(paths=("/spec/replicas",), target=selector)])
    assert rules.pointers_for(found) == ((REPLICAS,) if selects else ())


def test_no_target_means_all_objects_and_rules_add_up() -> None:
    rules = ignore_rules([IgnoreRule(paths=("/spec/replicas",)), IgnoreRule(paths=("/metadata/labels/a~1b",))])
    assert rules.pointers_for(deployment()) == (REPLICAS, ("metadata", "labels", "a/b"))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (IgnoreRule(paths=("spec/replicas",)), "spec.ignore[0]: 'spec/replicas' is not a JSON pointer"),
        (IgnoreRule(paths=("",)), "spec.ignore[0]: '' is not a JSON pointer"),
        (IgnoreRule(paths=("/a~2",)), "spec.ignore[0]: '/a~2' is not a JSON pointer"),
        (IgnoreRule(paths=("/a",), target=Selector(name="(")), "spec.ignore[0]: name: invalid regular expression '('"),
        (IgnoreRule(paths=("/a",), target=Selector(kind="(?=x)")), "spec.ignore[0]: kind: invalid regular expression"),
        (IgnoreRule(paths=("/a",), target=Selector(label_selector="a b")), "spec.ignore[0]: labelSelector: unable to parse"),
    ],
)
def test_what_cannot_be_read_names_the_rule_and_the_field(rule: IgnoreRule, message: str) -> None:
    with pytest.raises(ValueError) as error:
        ignore_rules([rule])
    assert str(error.value).startswith(message)


def test_a_pattern_that_takes_for_ever_elsewhere_does_not() -> None:
    rules = ignore_rules([IgnoreRule(paths=("/a",), target=Selector(name="(a+)+$"))])
    assert rules.pointers_for(deployment() | {"metadata": {"name": "a" * 5000 + "!"}}) == ()


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ("", True),
        ("a", True),
        ("!a", False),
        ("!b", True),
        ("b", False),
        ("a=1", True),
        ("a==1", True),
        ("a = 1", True),
        ("a!=1", False),
        ("b!=1", True),
        ("a in (1,2)", True),
        ("a in(1)", True),
        ("a notin (1)", False),
        ("b notin (1)", True),
        ("b in (1)", False),
        ("a,c=3", True),
        ("a in (1,2),c=4", False),
    ],
)
def test_label_selectors(selector: str, holds: bool) -> None:
    assert label_selector(selector)({"a": "1", "c": "3"}) == holds


def test_values_are_found_taken_out_and_put_in() -> None:
    found = deployment()
    assert value_at(found, IMAGE) == "y"
    assert value_at(without(found, [IMAGE]), ("spec", "containers", "1")) == {"name": "b"}
    assert value_at(with_value(found, IMAGE, "z"), IMAGE) == "z"
    assert with_value({}, ("a", "b"), 1) == {"a": {"b": 1}}
    assert value_at(found, IMAGE) == "y", "the document itself is left as it was"
    several = without({"l": [0, 1, 2, 3, 10, 11, 12, 13, 14, 15, 16]}, [("l", "1"), ("l", "3"), ("l", "10")])
    assert several == {"l": [0, 2, 10, 11, 12, 13, 14, 15]}
    assert without({"metadata": {"annotations": {"a": "1"}}, "x": 1}, [("metadata", "annotations", "a")]) == {"x": 1}
    assert without(found, [("spec", "nope", "x"), ("spec", "containers", "7")]) == found


def test_the_value_of_the_cluster_is_kept() -> None:
    request = request_for(deployment(1), deployment(5), [REPLICAS], OURS)
    assert request["spec"]["replicas"] == 5


def test_what_another_applier_owns_is_left_to_it() -> None:
    scaler = entry("scaler", "Apply", {"f:spec": {"f:replicas": {}}})
    request = request_for(deployment(1), deployment(5, scaler), [REPLICAS], OURS)
    assert "replicas" not in request["spec"]
    updater = entry("scaler", "Update", {"f:spec": {"f:replicas": {}}})
    assert request_for(deployment(1), deployment(5, updater), [REPLICAS], OURS)["spec"]["replicas"] == 5


def test_what_the_cluster_does_not_have_is_not_brought_and_equal_values_stay() -> None:
    assert "replicas" not in request_for(deployment(1), deployment(None), [REPLICAS], OURS)["spec"]
    assert request_for(deployment(1), deployment(1), [REPLICAS], OURS) == deployment(1)


def test_what_git_dropped_and_is_ours_stays_as_it_is() -> None:
    """Else the server would take it away, with our ownership."""
    ours = entry(OURS, "Apply", {"f:spec": {"f:replicas": {}}})
    assert request_for(deployment(None), deployment(5, ours), [REPLICAS], OURS)["spec"]["replicas"] == 5
    assert "replicas" not in request_for(deployment(None), deployment(5), [REPLICAS], OURS)["spec"]


def test_ignored_places_are_no_difference_and_all_others_are() -> None:
    assert not differs(deployment(5), deployment(1), [REPLICAS])
    assert differs(deployment(5), deployment(1), [IMAGE])
    assert differs(deployment(labels={"a": "b"}), deployment(), [REPLICAS])
    assert not differs(deployment(uid="1", resourceVersion="1"), deployment(), [])
    assert not differs(deployment() | {"status": {"x": 1}}, deployment(), [])
    annotation = pointer_from("/metadata/annotations/a")
    assert not differs(deployment(annotations={"a": "1"}), deployment(), [annotation])


def test_the_fingerprint_leaves_ignored_places_out_and_who_wrote_only_them() -> None:
    ours = entry(OURS, "Apply", {"f:spec": {"f:containers": {}}})
    hpa = entry("kube-controller-manager", "Update", {"f:spec": {"f:replicas": {}}}, "scale")
    scaled = deployment(5, ours, hpa, generation=2)
    assert fingerprint_of(scaled, [REPLICAS]) == fingerprint_of(deployment(1, ours), [REPLICAS])
    assert fingerprint_of(scaled) != fingerprint_of(deployment(1, ours))
    wider = entry("x", "Update", {"f:spec": {"f:replicas": {}, "f:paused": {}}})
    assert fingerprint_of(deployment(5, ours, wider), [REPLICAS]) != fingerprint_of(deployment(1, ours), [REPLICAS])


def test_places_in_managed_fields() -> None:
    fields: dict[str, Any] = {
        "f:spec": {"f:containers": {'k:{"name":"b"}': {".": {}, "f:name": {}, "f:image": {}}}, "f:replicas": {}}
    }
    found = deployment()
    assert left_of({"fieldsV1": fields}, found, [IMAGE])["f:spec"]["f:containers"] == {'k:{"name":"b"}': {".": {}, "f:name": {}}}
    assert field_names(fields) == ["spec.containers[name=b].name", "spec.containers[name=b].image", "spec.replicas"]
    only: dict[str, Any] = {"f:spec": {"f:containers": {'k:{"name":"b"}': {".": {}, "f:image": {}}}}}
    assert left_of({"fieldsV1": only}, found, [IMAGE]) == {}
    finalizers: dict[str, Any] = {"f:metadata": {"f:finalizers": {'v:"x"': {}}}}
    assert left_of({"fieldsV1": finalizers}, {"metadata": {"finalizers": ["x"]}}, [("metadata", "finalizers", "0")]) == {}
    assert field_names(finalizers) == ['metadata.finalizers["x"]']
