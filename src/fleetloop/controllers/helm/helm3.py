"""What Helm 3 waited for, for releases that wait as it did: its kinds only, each by its own rule. Pure.

What has failed is waited for like what is not ready yet. Flux: helm-notification-image.md 2.14, `legacy`.
"""

import math
from collections.abc import Callable

from fleetloop.kube.kstatus import condition
from fleetloop.kube.objects import Manifest, ObjectRef, group_of


def is_awaited(ref: ObjectRef, *, jobs: bool) -> bool:
    """`jobs`: these too."""
    return (ref.group, ref.kind) in _RULES and (jobs or ref.kind != "Job")


def is_ready(live: Manifest | None) -> bool:
    """Of a kind that is awaited."""
    if live is None:
        return False
    observed = (live.get("status") or {}).get("observedGeneration")
    if live["kind"] in _OBSERVED and observed != live["metadata"].get("generation"):
        return False
    return _RULES[(group_of(live["apiVersion"]), live["kind"])](live.get("spec") or {}, live.get("status") or {}, live)


def _pod(spec: Manifest, status: Manifest, live: Manifest) -> bool:
    return _has(live, "Ready", "True")


def _claim(spec: Manifest, status: Manifest, live: Manifest) -> bool:
    return status.get("phase") == "Bound"


def _service(spec: Manifest, status: Manifest, live: Manifest) -> bool:
    if spec.get("type") == "ExternalName":
        return True
    if spec.get("type") == "LoadBalancer" and not spec.get("externalIPs"):
        return bool(spec.get("clusterIP")) and bool((status.get("loadBalancer") or {}).get("ingress"))
    return bool(spec.get("clusterIP"))


def _definition(spec: Manifest, status: Manifest, live: Manifest) -> bool:
    """Names that others have will never be its own: it is as ready as it gets."""
    return _has(live, "Established", "True") or _has(live, "NamesAccepted", "False")


def _job(spec: Manifest, status: Manifest, live: Manifest) -> bool:
    has_failed = status.get("failed", 0) > spec.get("backoffLimit", 6)
    return not has_failed and status.get("succeeded", 0) >= spec.get("completions", 0)


def _deployment(spec: Manifest, status: Manifest, live: Manifest) -> bool:
    """As many ready Pods of the newest template as a rollout keeps; all older ones are taken for ready."""
    wanted = spec.get("replicas", 1)
    strategy = spec.get("strategy") or {}
    spared = 0
    if strategy.get("type") == "RollingUpdate" and wanted:
        rolling = strategy.get("rollingUpdate") or {}
        spared = _share(rolling.get("maxUnavailable", 0), wanted, up=False)
        if not spared and not _share(rolling.get("maxSurge", 0), wanted, up=True):
            spared = 1  # else nothing could ever move
    older = status.get("replicas", 0) - status.get("updatedReplicas", 0)
    return bool(status.get("readyReplicas", 0) - older >= wanted - min(spared, wanted))


def _daemon_set(spec: Manifest, status: Manifest, live: Manifest) -> bool:
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") != "RollingUpdate":
        return True
    wanted = status.get("desiredNumberScheduled", 0)
    spared = _share((strategy.get("rollingUpdate") or {}).get("maxUnavailable", 0), wanted, up=True)
    return bool(status.get("updatedNumberScheduled", 0) == wanted and status.get("numberReady", 0) >= wanted - spared)


def _stateful_set(spec: Manifest, status: Manifest, live: Manifest) -> bool:
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") != "RollingUpdate":
        return True
    partition, wanted = (strategy.get("rollingUpdate") or {}).get("partition", 0), spec.get("replicas", 1)
    if status.get("updatedReplicas", 0) < wanted - partition or status.get("readyReplicas", 0) != wanted:
        return False
    return bool(partition) or status.get("currentRevision") == status.get("updateRevision")


def _replicas(spec: Manifest, status: Manifest, live: Manifest) -> bool:
    return bool(status.get("readyReplicas", 0) >= spec.get("replicas", 1))


def _share(of: int | str, whole: int, *, up: bool) -> int:
    """A number as it is, or `25%` of the whole."""
    if isinstance(of, int):
        return of
    share = int(of.rstrip("%")) * whole / 100
    return math.ceil(share) if up else math.floor(share)


def _has(live: Manifest, type: str, value: str) -> bool:
    return (condition(live, type) or {}).get("status") == value


_OBSERVED = frozenset({"Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController"})
_RULES: dict[tuple[str, str], Callable[[Manifest, Manifest, Manifest], bool]] = {
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("", "ReplicationController"): _replicas,
    ("apps", "Deployment"): _deployment,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "ReplicaSet"): _replicas,
    ("batch", "Job"): _job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
