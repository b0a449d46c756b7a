"""May a pod run on this node? What the scheduler would say, as far as one node without neighbours can tell. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fleetloop.kube import Manifest
from fleetloop.local.node.quantity import number_of

SCHEDULERS = {"", "default-scheduler"}
NO_MATCH = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
RESOURCES = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """`allocatable`: quantities by resource."""

    name: str
    labels: Mapping[str, str]
    allocatable: Mapping[str, str]


def is_ours_to_place(pod: Manifest) -> bool:
    """Another scheduler's pods, gated pods and bound pods are none of our business."""
    spec = pod["spec"]
    free = not spec.get("nodeName") and not spec.get("schedulingGates")
    return free and spec.get("schedulerName", "") in SCHEDULERS


def obstacle(pod: Manifest, node: NodeFacts) -> str:
    """Why the pod cannot run on the node, in the scheduler's words; empty when it can."""
    spec = pod["spec"]
    selector = spec.get("nodeSelector") or {}
    if any(node.labels.get(key) != value for key, value in selector.items()):
        return NO_MATCH
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required and not any(_matches(term, node) for term in required.get("nodeSelectorTerms") or []):
        return NO_MATCH
    lacking = [name for name in RESOURCES if _requested(spec, name) > number_of(node.allocatable[name])]
    if lacking:
        return "0/1 nodes are available: " + ", ".join(f"1 Insufficient {name}" for name in lacking) + "."
    return ""


def _requested(spec: Mapping[str, Any], resource: str) -> Decimal:
    requests = [(c.get("resources") or {}).get("requests") or {} for c in spec.get("containers") or []]
    return sum((number_of(request.get(resource, 0)) for request in requests), Decimal(0))


def _matches(term: Mapping[str, Any], node: NodeFacts) -> bool:
    """All expressions of a term; an empty term matches nothing, as in the scheduler."""
    expressions = term.get("matchExpressions") or []
    fields = term.get("matchFields") or []
    if not expressions and not fields:
        return False
    by_label = all(_holds(e, node.labels) for e in expressions)
    return by_label and all(_holds(e, {"metadata.name": node.name}) for e in fields)


def _holds(expression: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    value = values.get(expression["key"])
    wanted: Sequence[str] = expression.get("values") or []
    tests = {
        "In": lambda: value in wanted,
        "NotIn": lambda: value not in wanted,
        "Exists": lambda: value is not None,
        "DoesNotExist": lambda: value is None,
        "Gt": lambda: value is not None and int(value) > int(wanted[0]),
        "Lt": lambda: value is not None and int(value) < int(wanted[0]),
    }
    return tests[expression["operator"]]()
