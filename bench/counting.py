"""API requests of the measured controller, counted by the API server itself.

The controller has a user of its own, and FlowSchemas that match nobody else: the server's counter of dispatched requests by
FlowSchema is then exact, and tells what they were for. All have the priority level `exempt`, as the bench itself: no one is
throttled. Watches are not counted: there is one a kind, whatever the number of objects.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fleetloop.api.kinds import KINDS
from fleetloop.kube import Kube, Manifest

PREFIX = "bench-"
_DISPATCHED = re.compile(r'^apiserver_flowcontrol_dispatched_requests_total\{flow_schema="bench-([a-z]+)".*\} (\S+)$', re.M)
_APPLIED = re.compile(
    r'^apiserver_request_total\{.*dry_run="(?P<dry>[^"]*)".*,resource="(?P<resource>[^"]*)".*verb="APPLY".*\} (?P<count>\S+)$',
    re.M,
)
APPLIED_KINDS = frozenset(
    {"serviceaccounts", "services", "deployments", "ingresses", "configmaps"}
    | {"secrets", "roles", "rolebindings", "cronjobs", "widgets", "jobs"}
)
OURS = tuple(resource for kind in KINDS for resource in (kind.plural, f"{kind.plural}/status"))
WRITES, READS = ("create", "update", "patch", "delete", "deletecollection"), ("get", "list")


def requests_in(metrics: str) -> Counter[str]:
    """Purpose -> requests, of the server's /metrics. `dry-run` and `apply` are parts of `objects`."""
    found: Counter[str] = Counter({purpose: int(float(count)) for purpose, count in _DISPATCHED.findall(metrics)})
    for match in _APPLIED.finditer(metrics):
        if match["resource"] in APPLIED_KINDS:
            found["dry-run" if match["dry"] else "apply"] += int(float(match["count"]))
    return found


def total(requests: Mapping[str, int]) -> int:
    return sum(count for purpose, count in requests.items() if purpose not in {"dry-run", "apply"})


async def requests_so_far(kube: Kube) -> Counter[str]:
    _, body = await kube.raw("GET", "/metrics")
    return requests_in(body.decode())


def flow_schemas(user: str) -> list[Manifest]:
    """One for each purpose; the first that matches counts."""
    return [
        _flow_schema("events", 10, user, _rule(["events"], ["", "events.k8s.io"], WRITES)),
        _flow_schema("status", 11, user, _rule(OURS, ["*"], WRITES)),
        _flow_schema("objects", 12, user, _rule(["*"], ["*"], WRITES)),
        _flow_schema("reads", 13, user, _rule(["*"], ["*"], READS)),
        _flow_schema("discovery", 14, user, {"verbs": ["get"], "nonResourceURLs": ["*"]}),
    ]


def _rule(resources: Sequence[str], groups: Sequence[str], verbs: Sequence[str]) -> dict[str, Any]:
    return {"apiGroups": groups, "resources": resources, "verbs": verbs, "namespaces": ["*"], "clusterScope": True}


def _flow_schema(purpose: str, precedence: int, user: str, rule: dict[str, Any]) -> Manifest:
    rules = "nonResourceRules" if "nonResourceURLs" in rule else "resourceRules"
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": PREFIX + purpose},
        "spec": {
            "priorityLevelConfiguration": {"name": "exempt"},
            "matchingPrecedence": precedence,
            "rules": [{"subjects": [{"kind": "User", "user": {"name": user}}], rules: [rule]}],
        },
    }
