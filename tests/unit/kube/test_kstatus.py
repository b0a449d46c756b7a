"""Health verdicts, kind by kind."""

from typing import Any

import pytest

from fleetloop.kube.kstatus import Health, health_of


def deployment(status: dict[str, Any], generation: int = 1, replicas: int = 1) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "generation": generation},
        "spec": {"replicas": replicas, "progressDeadlineSeconds": 600},
        "status": status,
    }


ROLLED_OUT = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
AVAILABLE = {"type": "Available", "status": "True"}
COUNTS = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"observedGeneration": 0}, Health("InProgress", "Deployment generation is 1, but latest observed generation is 0")),
        ({"observedGeneration": 1}, Health("InProgress", "Replicas: 0/1")),
        ({"observedGeneration": 1, "replicas": 1}, Health("InProgress", "Updated: 0/1")),
        ({**COUNTS, "replicas": 2}, Health("InProgress", "Pending termination: 1")),
        ({**COUNTS, "availableReplicas": 0}, Health("InProgress", "Available: 0/1")),
        ({**COUNTS, "conditions": [AVAILABLE]}, Health("InProgress", "ReplicaSet not Available")),
        ({**COUNTS, "conditions": [ROLLED_OUT]}, Health("InProgress", "Deployment not Available")),
        ({**COUNTS, "conditions": [AVAILABLE, ROLLED_OUT]}, Health("Current", "Deployment is available. Replicas: 1")),
        (
            {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]},
            Health("Failed", "Progress deadline exceeded"),
        ),
    ],
)
def test_deployment(status: dict[str, Any], expected: Health) -> None:
    assert health_of(deployment(status)) == expected


def custom(conditions: list[dict[str, str]], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "x.io/v1", "kind": "X", "metadata": {"name": "x", **metadata}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("manifest", "status"),
    [
        (custom([]), "Current"),
        (custom([], deletionTimestamp="2026-01-01T00:00:00Z"), "Terminating"),
        (custom([{"type": "Ready", "status": "False", "message": "no"}]), "InProgress"),  # CLI8: not a failure
        (custom([{"type": "Ready", "status": "Unknown"}]), "InProgress"),
        (custom([{"type": "Ready", "status": "True"}]), "Current"),
        (custom([{"type": "Stalled", "status": "True"}, {"type": "Reconciling", "status": "True"}]), "Failed"),
        (custom([{"type": "Reconciling", "status": "True"}, {"type": "Stalled", "status": "True"}]), "InProgress"),
    ],
)
def test_conditions_of_custom_resources(manifest: dict[str, Any], status: str) -> None:
    assert health_of(manifest).status == status


def of(
    api_version: str, kind: str, status: dict[str, Any], spec: dict[str, Any] | None = None, **metadata: Any
) -> dict[str, Any]:
    named = {"name": "o", **metadata}
    return {"apiVersion": api_version, "kind": kind, "metadata": named, "spec": spec or {}, "status": status}


@pytest.mark.parametrize(
    ("manifest", "status"),
    [
        (of("batch/v1", "Job", {"active": 1}), "InProgress"),
        (of("batch/v1", "Job", {"conditions": [{"type": "Complete", "status": "True"}]}), "Current"),
        (of("batch/v1", "Job", {"conditions": [{"type": "Failed", "status": "True"}]}), "Failed"),
        (of("batch/v1", "Job", {"conditions": [{"type": "Suspended", "status": "True"}]}), "Current"),
        (of("v1", "Pod", {"phase": "Pending"}), "InProgress"),
        (of("v1", "Pod", {"phase": "Failed"}), "Current"),
        (of("v1", "Pod", {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}), "Current"),
        (
            of(
                "v1",
                "Pod",
                {"phase": "Running", "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            ),
            "Failed",
        ),
        (of("v1", "PersistentVolumeClaim", {"phase": "Pending"}), "InProgress"),
        (of("v1", "PersistentVolumeClaim", {"phase": "Bound"}), "Current"),
        (of("v1", "Service", {}, {"type": "LoadBalancer"}), "InProgress"),
        (of("v1", "Service", {}, {"type": "LoadBalancer", "clusterIP": "1.1.1.1"}), "Current"),
        (of("v1", "Service", {}), "Current"),
        (of("apps/v1", "StatefulSet", {"replicas": 0}, {"replicas": 1}), "InProgress"),
        (
            of("apps/v1", "StatefulSet", {"replicas": 1, "readyReplicas": 1, "currentReplicas": 1}, {"replicas": 1}),
            "Current",
        ),
        (of("apps/v1", "StatefulSet", {}, {"updateStrategy": {"type": "OnDelete"}}), "Current"),
        (of("apps/v1", "DaemonSet", {}), "InProgress"),
        (of("apps/v1", "DaemonSet", {"observedGeneration": 1, "desiredNumberScheduled": 0}, generation=1), "Current"),
        (of("apps/v1", "ReplicaSet", {"replicas": 2}, {"replicas": 1}), "InProgress"),
        (
            of(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                {"conditions": [{"type": "Established", "status": "True"}]},
            ),
            "Current",
        ),
        (of("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}), "InProgress"),
    ],
)
def test_kinds(manifest: dict[str, Any], status: str) -> None:
    assert health_of(manifest).status == status
