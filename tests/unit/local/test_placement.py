"""Which pods the virtual node takes, and what it says about the others."""

from typing import Any

import pytest

from fleetloop.local.node.placement import NodeFacts, is_ours_to_place, obstacle
from fleetloop.local.node.quantity import number_of

NODE = NodeFacts(
    name="fleetloop-a",
    labels={"kubernetes.io/os": "linux", "size": "4"},
    allocatable={"cpu": "8", "memory": "16Gi"},
)


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [], "schedulerName": "default-scheduler"} | spec}


def required(**term: Any) -> dict[str, Any]:
    terms = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {"nodeAffinity": terms}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("spec", "ours"),
    [
        ({}, True),
        ({"nodeName": "other"}, False),
        ({"schedulerName": "mine"}, False),
        ({"schedulingGates": [{"name": "wait"}]}, False),
    ],
)
def test_pods_of_others_are_left_alone(spec: dict[str, Any], ours: bool) -> None:
    assert is_ours_to_place(pod(**spec)) is ours


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"nodeSelector": {"kubernetes.io/os": "linux"}},
        required(matchExpressions=[expression("kubernetes.io/os", "In", "linux", "darwin")]),
        required(matchExpressions=[expression("gpu", "DoesNotExist"), expression("size", "Gt", "3")]),
        required(matchExpressions=[expression("gpu", "NotIn", "yes"), expression("size", "Lt", "5")]),
        required(matchFields=[expression("metadata.name", "In", "fleetloop-a")]),
        {"containers": [{"resources": {"requests": {"cpu": "8", "memory": "1Gi"}}}]},
    ],
)
def test_pods_that_fit(spec: dict[str, Any]) -> None:
    assert obstacle(pod(**spec), NODE) == ""


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"nodeSelector": {"gpu": "yes"}}, "didn't match"),
        (required(), "didn't match"),
        (required(matchExpressions=[expression("size", "Exists"), expression("gpu", "Exists")]), "didn't match"),
        (required(matchFields=[expression("metadata.name", "In", "other")]), "didn't match"),
        ({"containers": [{"resources": {"requests": {"cpu": "5"}}}] * 2}, "1 Insufficient cpu"),
        ({"containers": [{"resources": {"requests": {"memory": "17Gi"}}}]}, "1 Insufficient memory"),
    ],
)
def test_pods_that_do_not_fit_are_told_why(spec: dict[str, Any], word: str) -> None:
    assert word in obstacle(pod(**spec), NODE)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("64Mi", 64 << 20),
        ("1Gi", 1 << 30),
        ("500m", 0.5),
        ("1e3", 1000),
        ("2", 2),
        ("1.5k", 1500),
        ("1E", 10**18),
        ("100n", 1e-7),
    ],
)
def test_quantities(text: str, number: float) -> None:
    assert float(number_of(text)) == number


@pytest.mark.parametrize("text", ["", "Mi", "1x", "one", "1 Mib"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        number_of(text)
