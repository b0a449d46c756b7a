"""Waits as Helm 3 had them, kind by kind: helm-notification-image.md 2.14, strategy legacy."""

from typing import Any

import pytest

from fleetloop.controllers.helm.helm3 import is_awaited, is_ready
from fleetloop.kube import ObjectRef

ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
HALF = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%"}}
NONE = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}


def counts(replicas: int, updated: int, ready: int) -> dict[str, int]:
    return {"replicas": replicas, "updatedReplicas": updated, "readyReplicas": ready, "observedGeneration": 2}


def ready(value: str, type: str = "Ready") -> dict[str, Any]:
    return {"conditions": [{"type": type, "status": value}]}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "expected"),
    [
        ("v1 Pod", {}, ready("True"), True),
        ("v1 Pod", {}, {"phase": "Failed"}, False),
        ("v1 PersistentVolumeClaim", {}, {"phase": "Bound"}, True),
        ("v1 PersistentVolumeClaim", {}, {"phase": "Pending"}, False),
        ("v1 Service", {"type": "ExternalName"}, {}, True),
        ("v1 Service", {"type": "ClusterIP"}, {}, False),
        ("v1 Service", {"type": "ClusterIP", "clusterIP": "10.0.0.1"}, {}, True),
        ("v1 Service", {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}, {"loadBalancer": {}}, False),
        ("v1 Service", {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}, {"loadBalancer": {"ingress": [{"ip": "1"}]}}, True),
        ("v1 Service", {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "externalIPs": ["1"]}, {}, True),
        ("apps/v1 Deployment", {"replicas": 4, "strategy": ROLLING}, counts(4, 4, 3), True),
        ("apps/v1 Deployment", {"replicas": 4, "strategy": ROLLING}, counts(4, 4, 2), False),
        ("apps/v1 Deployment", {"replicas": 4, "strategy": ROLLING}, counts(5, 1, 5), False),
        ("apps/v1 Deployment", {"replicas": 4, "strategy": ROLLING}, counts(4, 4, 4) | {"observedGeneration": 1}, False),
        ("apps/v1 Deployment", {"replicas": 2, "strategy": {"type": "Recreate"}}, counts(2, 2, 1), False),
        ("apps/v1 Deployment", {"replicas": 2, "strategy": NONE}, counts(2, 2, 1), True),
        ("apps/v1 Deployment", {"replicas": 1, "strategy": ROLLING}, {}, False),
        (
            "apps/v1 DaemonSet",
            {"updateStrategy": HALF},
            {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 1},
            True,
        ),
        (
            "apps/v1 DaemonSet",
            {"updateStrategy": HALF},
            {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 2, "numberReady": 3},
            False,
        ),
        ("apps/v1 DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, {"observedGeneration": 2}, True),
        ("apps/v1 StatefulSet", {"replicas": 2, "updateStrategy": {"type": "OnDelete"}}, {"observedGeneration": 2}, True),
        ("apps/v1 StatefulSet", {"replicas": 2, "updateStrategy": {"type": "RollingUpdate"}}, counts(2, 2, 2), True),
        (
            "apps/v1 StatefulSet",
            {"replicas": 2, "updateStrategy": {"type": "RollingUpdate"}},
            counts(2, 2, 2) | {"currentRevision": "a", "updateRevision": "b"},
            False,
        ),
        (
            "apps/v1 StatefulSet",
            {"replicas": 2, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}},
            counts(2, 1, 2) | {"currentRevision": "a", "updateRevision": "b"},
            True,
        ),
        ("apps/v1 ReplicaSet", {"replicas": 2}, counts(2, 0, 2), True),
        ("v1 ReplicationController", {"replicas": 2}, counts(2, 0, 1), False),
        ("batch/v1 Job", {"completions": 2, "backoffLimit": 6}, {"succeeded": 2}, True),
        ("batch/v1 Job", {"completions": 2, "backoffLimit": 6}, {"succeeded": 1}, False),
        ("batch/v1 Job", {"completions": 1, "backoffLimit": 0}, {"failed": 1}, False),
        ("apiextensions.k8s.io/v1 CustomResourceDefinition", {}, ready("True", "Established"), True),
        ("apiextensions.k8s.io/v1 CustomResourceDefinition", {}, ready("False", "NamesAccepted"), True),
        ("apiextensions.k8s.io/v1 CustomResourceDefinition", {}, ready("True", "NamesAccepted"), False),
    ],
)
def test_ready_by_its_own_rule(kind: str, spec: dict[str, Any], status: dict[str, Any], expected: bool) -> None:
    api_version, name = kind.split()
    live = {"apiVersion": api_version, "kind": name, "metadata": {"generation": 2}, "spec": spec, "status": status}
    assert is_ready(live) is expected


def test_other_kinds_are_not_waited_for() -> None:
    assert not is_awaited(ObjectRef("example.com/v1", "Pod", "team", "a"), jobs=True)
    assert not is_awaited(ObjectRef("networking.k8s.io/v1", "Ingress", "team", "a"), jobs=True)
    job = ObjectRef("batch/v1", "Job", "team", "a")
    assert (is_awaited(job, jobs=True), is_awaited(job, jobs=False)) == (True, False)
    assert not is_ready(None)
