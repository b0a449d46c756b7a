"""Is an object healthy? The rules of kstatus, computed from the object alone.

Flux and `kubectl` tools of its family judge with sigs.k8s.io/cli-utils' kstatus; words and messages here are the same ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from fleetloop.kube.objects import Manifest, group_of

Status = Literal["Current", "InProgress", "Failed", "Terminating", "NotFound", "Unknown"]
UNLIMITED_DEADLINE = 2**31 - 1  # a Deployment without a progress deadline


@dataclass(frozen=True, slots=True)
class Health:
    status: Status
    message: str = ""


def health_of(manifest: Manifest) -> Health:
    """What kstatus says of this version of the object."""
    if early := _generic(manifest):
        return early
    kind = (group_of(manifest.get("apiVersion", "")), manifest.get("kind", ""))
    if rule := _RULES.get(kind):
        return rule(manifest)
    return _ready_condition(manifest)


def condition(manifest: Manifest, kind: str) -> dict[str, Any] | None:
    for item in (manifest.get("status") or {}).get("conditions") or []:
        if item.get("type") == kind:
            return dict(item)
    return None


def _generic(manifest: Manifest) -> Health | None:
    metadata, status = manifest.get("metadata") or {}, manifest.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return Health("Terminating", "Resource scheduled for deletion")
    generation, observed = metadata.get("generation"), status.get("observedGeneration")
    if observed is not None and generation is not None and observed != generation:
        return Health(
            "InProgress", f"{manifest.get('kind')} generation is {generation}, but latest observed generation is {observed}"
        )
    for item in status.get("conditions") or []:
        if item.get("type") == "Reconciling" and item.get("status") == "True":
            return Health("InProgress", item.get("message") or "")
        if item.get("type") == "Stalled" and item.get("status") == "True":
            return Health("Failed", item.get("message") or "")
    return None


def _ready_condition(manifest: Manifest) -> Health:
    ready = condition(manifest, "Ready")
    if ready and ready.get("status") != "True":
        return Health("InProgress", ready.get("message") or "")
    return Health("Current", "Resource is Ready" if ready else "Resource is current")


def _number(manifest: Manifest, section: str, field: str, default: int = 0) -> int:
    value = (manifest.get(section) or {}).get(field)
    return default if value is None else int(value)


def _deployment(manifest: Manifest) -> Health:
    progressing = condition(manifest, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Health("Failed", "Progress deadline exceeded")
    unlimited = _number(manifest, "spec", "progressDeadlineSeconds", UNLIMITED_DEADLINE) == UNLIMITED_DEADLINE
    wanted = _number(manifest, "spec", "replicas", 1)
    replicas = _number(manifest, "status", "replicas")
    updated = _number(manifest, "status", "updatedReplicas")
    ready = _number(manifest, "status", "readyReplicas")
    available = _number(manifest, "status", "availableReplicas")
    return (
        _below(replicas, wanted, "Replicas")
        or _below(updated, wanted, "Updated")
        or _surplus(replicas, wanted)
        or _below(available, updated, "Available")
        or _below(ready, wanted, "Ready")
        or _unless(unlimited or progressing.get("reason") == "NewReplicaSetAvailable", "ReplicaSet not Available")
        or _unless((condition(manifest, "Available") or {}).get("status") == "True", "Deployment not Available")
        or Health("Current", f"Deployment is available. Replicas: {replicas}")
    )


def _replica_set(manifest: Manifest) -> Health:
    if (failure := condition(manifest, "ReplicaFailure")) and failure.get("status") == "True":
        return Health("InProgress", "Replica Failure condition. Check Pods")
    wanted = _number(manifest, "spec", "replicas", 1)
    replicas = _number(manifest, "status", "replicas")
    labelled = _number(manifest, "status", "fullyLabeledReplicas")
    return (
        _below(labelled, wanted, "Labelled")
        or _below(_number(manifest, "status", "availableReplicas"), wanted, "Available")
        or _below(_number(manifest, "status", "readyReplicas"), wanted, "Ready")
        or _surplus(replicas, wanted)
        or Health("Current", f"ReplicaSet is available. Replicas: {replicas}")
    )


def _stateful_set(manifest: Manifest) -> Health:
    spec, status = manifest.get("spec") or {}, manifest.get("status") or {}
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return Health("Current", "StatefulSet is using the ondelete update strategy")
    wanted = _number(manifest, "spec", "replicas", 1)
    replicas, ready = _number(manifest, "status", "replicas"), _number(manifest, "status", "readyReplicas")
    current, updated = _number(manifest, "status", "currentReplicas"), _number(manifest, "status", "updatedReplicas")
    counted = _below(replicas, wanted, "Replicas") or _below(ready, wanted, "Ready") or _surplus(replicas, wanted)
    if counted:
        return counted
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    if partition:
        message = f"updated: {updated}/{wanted - partition}"
        return Health("InProgress" if updated < wanted - partition else "Current", f"Partition rollout complete. {message}")
    return (
        _below(current, wanted, "current")
        or _unless(status.get("currentRevision") == status.get("updateRevision"), "Waiting for updated revision to match current")
        or Health("Current", f"All replicas scheduled as expected. Replicas: {replicas}")
    )


def _daemon_set(manifest: Manifest) -> Health:
    status = manifest.get("status") or {}
    if status.get("observedGeneration") is None:
        return Health("InProgress", "DaemonSet status not yet observed")
    wanted = _number(manifest, "status", "desiredNumberScheduled")
    return (
        _below(_number(manifest, "status", "currentNumberScheduled"), wanted, "Current")
        or _below(_number(manifest, "status", "updatedNumberScheduled"), wanted, "Updated")
        or _below(_number(manifest, "status", "numberAvailable"), wanted, "Available")
        or _below(_number(manifest, "status", "numberReady"), wanted, "Ready")
        or Health("Current", f"All replicas scheduled as expected. Replicas: {wanted}")
    )


def _pod(manifest: Manifest) -> Health:
    phase = (manifest.get("status") or {}).get("phase")
    if phase == "Succeeded":
        return Health("Current", "Pod has completed successfully")
    if phase == "Failed":
        return Health("Failed", "Pod has completed, but not successfully")
    if phase == "Running" and (condition(manifest, "Ready") or {}).get("status") == "True":
        return Health("Current", "Pod is Ready")
    crashing = _crash_looping(manifest)
    if crashing:
        return Health("Failed", f"Containers in CrashLoop state: {','.join(crashing)}")
    if (scheduled := condition(manifest, "PodScheduled")) and scheduled.get("reason") == "Unschedulable":
        return Health("InProgress", "Pod has not been scheduled")
    return Health("InProgress", "Pod is in the Pending phase" if phase == "Pending" else "Pod is running but is not Ready")


def _crash_looping(manifest: Manifest) -> list[str]:
    statuses = (manifest.get("status") or {}).get("containerStatuses") or []
    return [s["name"] for s in statuses if ((s.get("state") or {}).get("waiting") or {}).get("reason") == "CrashLoopBackOff"]


def _job(manifest: Manifest) -> Health:
    status = manifest.get("status") or {}
    for item in status.get("conditions") or []:
        if item.get("status") == "True" and item.get("type") == "Complete":
            return Health("Current", f"Job Completed. succeeded: {_number(manifest, 'status', 'succeeded')}")
        if item.get("status") == "True" and item.get("type") == "Failed":
            return Health("Failed", f"Job Failed. failed: {_number(manifest, 'status', 'failed')}")
        if item.get("status") == "True" and item.get("type") == "Suspended":
            return Health("Current", "Job is suspended")
    return Health("InProgress", f"Job in progress. active: {_number(manifest, 'status', 'active')}")


def _service(manifest: Manifest) -> Health:
    spec, status = manifest.get("spec") or {}, manifest.get("status") or {}
    if spec.get("type") == "LoadBalancer":
        if not spec.get("clusterIP"):
            return Health("InProgress", "ClusterIP not set. Service type: LoadBalancer")
        if not (status.get("loadBalancer") or {}).get("ingress"):
            return Health("InProgress", "load balancer IP not set")
    return Health("Current", "Service is ready")


def _volume_claim(manifest: Manifest) -> Health:
    if (phase := (manifest.get("status") or {}).get("phase")) != "Bound":
        return Health("InProgress", f"PVC is not Bound. phase: {phase or 'unknown'}")
    return Health("Current", "PVC is Bound")


def _crd(manifest: Manifest) -> Health:
    names, established = condition(manifest, "NamesAccepted"), condition(manifest, "Established")
    if names and names.get("status") == "False":
        return Health("Failed", names.get("message") or "")
    if established and established.get("status") == "True":
        return Health("Current", "CRD is established")
    if established and established.get("status") == "False" and established.get("reason") != "Installing":
        return Health("Failed", established.get("message") or "")
    return Health("InProgress", "Install in progress")


def _always(message: str) -> Callable[[Manifest], Health]:
    return lambda _: Health("Current", message)


def _below(actual: int, wanted: int, word: str) -> Health | None:
    return Health("InProgress", f"{word}: {actual}/{wanted}") if actual < wanted else None


def _surplus(actual: int, wanted: int) -> Health | None:
    return Health("InProgress", f"Pending termination: {actual - wanted}") if actual > wanted else None


def _unless(holds: bool, message: str) -> Health | None:
    return None if holds else Health("InProgress", message)


_RULES: dict[tuple[str, str], Callable[[Manifest], Health]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _volume_claim,
    ("", "ConfigMap"): _always("Resource is always ready"),
    ("", "Secret"): _always("Resource is always ready"),
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _always("CronJob is always ready"),
    ("policy", "PodDisruptionBudget"): _always("AllowedDisruptions has been computed."),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
}
