"""Is an object healthy? The rules of kstatus, computed from the object alone.

Flux and `kubectl` tools of its family judge with sigs.k8s.io/cli-utils' kstatus: verdicts and messages here are the same
ones, which tests/contract/test_originals.py compares. Two kinds are judged otherwise: Jobs as Flux judges them (done only
when they ended), and a Pod that no node takes stays in progress, since autoscalers make nodes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from fleetloop.kube.objects import Manifest, group_of

Status = Literal["Current", "InProgress", "Failed", "Terminating", "NotFound", "Unknown"]
T = TypeVar("T")
UNLIMITED_DEADLINE = 2**31 - 1  # a Deployment without a progress deadline


@dataclass(frozen=True, slots=True)
class Health:
    status: Status
    message: str = ""


class _Odd(Exception):
    """A field has a type that nothing can be concluded from."""


class _Condition(NamedTuple):
    type: str
    status: str
    reason: str
    message: str


def health_of(manifest: Manifest) -> Health:
    """What kstatus says of this version of the object; Unknown if its fields are not of the types they should be."""
    try:
        if early := _generic(manifest):
            return early
        kind = (group_of(manifest.get("apiVersion", "")), manifest.get("kind", ""))
        return _RULES.get(kind, _ready_condition)(manifest)
    except _Odd as odd:
        return Health("Unknown", str(odd))


def condition(manifest: Manifest, kind: str) -> dict[str, Any] | None:
    for item in (manifest.get("status") or {}).get("conditions") or []:
        if item.get("type") == kind:
            return dict(item)
    return None


def _generic(manifest: Manifest) -> Health | None:
    """What decides for every kind: deletion, an unobserved generation, the two standard conditions."""
    if _strict(manifest, str, "metadata", "deletionTimestamp"):
        return Health("Terminating", "Resource scheduled for deletion")
    generation = _strict(manifest, int, "metadata", "generation")
    observed = None if generation is None else _strict(manifest, int, "status", "observedGeneration")
    if observed is not None and observed != generation:
        return _in_progress(f"{manifest.get('kind')} generation is {generation}, but latest observed generation is {observed}")
    for item in _conditions(manifest):
        if item.type == "Reconciling" and item.status == "True":
            return _in_progress(item.message)
        if item.type == "Stalled" and item.status == "True":
            return Health("Failed", item.message)
    return None


def _ready_condition(manifest: Manifest) -> Health:
    for item in _conditions(manifest):
        if item.type == "Ready" and item.status == "True":
            return Health("Current", "Resource is Ready")
        if item.type == "Ready" and item.status in {"False", "Unknown"}:
            return _in_progress(item.message)
    return Health("Current", "Resource is current")


def _deployment(manifest: Manifest) -> Health:
    progressed = _number(manifest, "spec", "progressDeadlineSeconds", default=UNLIMITED_DEADLINE) == UNLIMITED_DEADLINE
    available = False
    for item in _conditions(manifest):
        if item.type == "Progressing" and item.reason == "ProgressDeadlineExceeded":
            return Health("Failed", "Progress deadline exceeded")
        progressed |= item[:3] == ("Progressing", "True", "NewReplicaSetAvailable")
        available |= item[:2] == ("Available", "True")
    wanted = _number(manifest, "spec", "replicas", default=1)
    replicas = _number(manifest, "status", "replicas")
    updated = _number(manifest, "status", "updatedReplicas")
    return (
        _below(replicas, wanted, "Replicas")
        or _below(updated, wanted, "Updated")
        or _surplus(replicas, wanted)
        or _below(_number(manifest, "status", "availableReplicas"), updated, "Available")
        or _below(_number(manifest, "status", "readyReplicas"), wanted, "Ready")
        or _unless(progressed, "ReplicaSet not Available")
        or _unless(available, "Deployment not Available")
        or Health("Current", f"Deployment is available. Replicas: {replicas}")
    )


def _replica_set(manifest: Manifest) -> Health:
    if any(item[:2] == ("ReplicaFailure", "True") for item in _conditions(manifest)):
        return _in_progress("Replica Failure condition. Check Pods")
    wanted = _number(manifest, "spec", "replicas", default=1)
    replicas = _number(manifest, "status", "replicas")
    return (
        _below(_number(manifest, "status", "fullyLabeledReplicas"), wanted, "Labelled")
        or _below(_number(manifest, "status", "availableReplicas"), wanted, "Available")
        or _below(_number(manifest, "status", "readyReplicas"), wanted, "Ready")
        or _surplus(replicas, wanted)
        or Health("Current", f"ReplicaSet is available. Replicas: {replicas}")
    )


def _stateful_set(manifest: Manifest) -> Health:
    if _field(manifest, "spec", "updateStrategy", "type") == "OnDelete":
        return Health("Current", "StatefulSet is using the ondelete update strategy")
    wanted = _number(manifest, "spec", "replicas", default=1)
    replicas = _number(manifest, "status", "replicas")
    ready = _number(manifest, "status", "readyReplicas")
    counted = _below(replicas, wanted, "Replicas") or _below(ready, wanted, "Ready") or _surplus(replicas, wanted)
    if counted:
        return counted
    partition = _number(manifest, "spec", "updateStrategy", "rollingUpdate", "partition", default=-1)
    if partition != -1:
        updated = _number(manifest, "status", "updatedReplicas")
        complete = Health("Current", f"Partition rollout complete. updated: {updated}")
        return _below(updated, wanted - partition, "updated") or complete
    same = _text(manifest, "status", "currentRevision") == _text(manifest, "status", "updateRevision")
    return (
        _below(_number(manifest, "status", "currentReplicas"), wanted, "current")
        or _unless(same, "Waiting for updated revision to match current")
        or Health("Current", f"All replicas scheduled as expected. Replicas: {replicas}")
    )


def _daemon_set(manifest: Manifest) -> Health:
    for path in (("metadata", "generation"), ("status", "observedGeneration")):
        if _strict(manifest, int, *path) is None:
            return _in_progress(f"{manifest.get('kind')} {'.'.join(path)} not found")
    wanted = _number(manifest, "status", "desiredNumberScheduled", default=-1)
    if wanted == -1:
        return _in_progress("Missing .status.desiredNumberScheduled")
    return (
        _below(_number(manifest, "status", "currentNumberScheduled"), wanted, "Current")
        or _below(_number(manifest, "status", "updatedNumberScheduled"), wanted, "Updated")
        or _below(_number(manifest, "status", "numberAvailable"), wanted, "Available")
        or _below(_number(manifest, "status", "numberReady"), wanted, "Ready")
        or Health("Current", f"All replicas scheduled as expected. Replicas: {wanted}")
    )


def _pod(manifest: Manifest) -> Health:
    conditions = _conditions(manifest)
    match _text(manifest, "status", "phase"):
        case "Succeeded":
            return Health("Current", "Pod has completed successfully")
        case "Failed":
            return Health("Current", "Pod has completed, but not successfully")
        case "Running":
            return _running_pod(manifest, conditions)
        case "Pending":
            scheduled = next((item for item in conditions if item[:2] == ("PodScheduled", "False")), None)
            unschedulable = scheduled is not None and scheduled.reason == "Unschedulable"
            return _in_progress("Pod has not been scheduled" if unschedulable else "Pod is in the Pending phase")
        case "":
            return _in_progress("Pod phase not available")
        case phase:
            raise _Odd(f"unknown phase {phase}")


def _running_pod(manifest: Manifest, conditions: list[_Condition]) -> Health:
    if any(item[:2] == ("Ready", "True") for item in conditions):
        return Health("Current", "Pod is Ready")
    if crashing := _crash_looping(manifest):
        return Health("Failed", f"Containers in CrashLoop state: {','.join(crashing)}")
    return _in_progress("Pod is running but is not Ready")


def _crash_looping(manifest: Manifest) -> list[str]:
    statuses = _field(manifest, "status", "containerStatuses")
    if statuses is not None and not isinstance(statuses, list):
        raise _Odd("status.containerStatuses is no list")
    looping = [item for item in statuses or [] if _field(item, "state", "waiting", "reason") == "CrashLoopBackOff"]
    return [_text(item, "name") for item in looping]


def _job(manifest: Manifest) -> Health:
    """Flux's rule instead of kstatus', for which a Job that has started is done."""
    completions = _number(manifest, "spec", "completions", default=_number(manifest, "spec", "parallelism", default=1))
    for item in _conditions(manifest):
        if item[:2] == ("Complete", "True"):
            return Health("Current", f"Job Completed. succeeded: {_number(manifest, 'status', 'succeeded')}/{completions}")
        if item[:2] == ("Failed", "True"):
            return Health("Failed", f"Job Failed. failed: {_number(manifest, 'status', 'failed')}/{completions}")
    suspended = any(item[:2] == ("Suspended", "True") for item in _conditions(manifest))
    return Health("Current", "Job is suspended") if suspended else _in_progress("Job in progress")


def _service(manifest: Manifest) -> Health:
    if _field(manifest, "spec", "type") == "LoadBalancer" and not _text(manifest, "spec", "clusterIP"):
        return _in_progress("ClusterIP not set. Service type: LoadBalancer")
    return Health("Current", "Service is ready")


def _volume_claim(manifest: Manifest) -> Health:
    phase = _text(manifest, "status", "phase", default="unknown")
    return _unless(phase == "Bound", f"PVC is not Bound. phase: {phase}") or Health("Current", "PVC is Bound")


def _crd(manifest: Manifest) -> Health:
    for item in _conditions(manifest):
        if item[:2] == ("NamesAccepted", "False"):
            return Health("Failed", item.message)
        if item[:2] == ("Established", "False") and item.reason != "Installing":
            return Health("Failed", item.message)
        if item[:2] == ("Established", "True"):
            return Health("Current", "CRD is established")
    return _in_progress("Install in progress")


def _always(message: str) -> Callable[[Manifest], Health]:
    return lambda _: Health("Current", message)


def _in_progress(message: str) -> Health:
    return Health("InProgress", message)


def _below(actual: int, wanted: int, word: str) -> Health | None:
    return _in_progress(f"{word}: {actual}/{wanted}") if actual < wanted else None


def _surplus(actual: int, wanted: int) -> Health | None:
    return _in_progress(f"Pending termination: {actual - wanted}") if actual > wanted else None


def _unless(holds: bool, message: str) -> Health | None:
    return None if holds else _in_progress(message)


def _field(manifest: Any, *path: str) -> Any:
    """None where something on the way is missing or is no map."""
    for name in path:
        manifest = manifest.get(name) if isinstance(manifest, dict) else None
    return manifest


def _number(manifest: Manifest, *path: str, default: int = 0) -> int:
    """`default` for whatever is no whole number."""
    value = _field(manifest, *path)
    return value if type(value) is int else default


def _text(manifest: Manifest, *path: str, default: str = "") -> str:
    value = _field(manifest, *path)
    return value if isinstance(value, str) else default


def _strict(manifest: Manifest, wanted: type[T], *path: str) -> T | None:
    """None if missing. Raises _Odd for another type."""
    inner: Any = manifest
    for name in path:
        if inner is None:
            return None
        if not isinstance(inner, dict):
            raise _Odd(f"{'.'.join(path)} cannot be read: what it is in is no map")
        if name not in inner:
            return None
        inner = inner[name]
    if type(inner) is not wanted:
        raise _Odd(f"{'.'.join(path)} is not of type {wanted.__name__}")
    return inner


def _conditions(manifest: Manifest) -> list[_Condition]:
    """Raises _Odd unless all of them are maps of texts."""
    status = manifest.get("status")
    if not isinstance(status, dict | None):
        raise _Odd("status is no map")
    items = (status or {}).get("conditions")
    if not isinstance(items, list | None):
        raise _Odd("status.conditions is no list")
    return [_condition(item) for item in items or []]


def _condition(item: Any) -> _Condition:
    texts: list[Any] = [(item or {}).get(name) for name in _Condition._fields] if isinstance(item, dict | None) else [0]
    if not all(isinstance(text, str | None) for text in texts):
        raise _Odd("status.conditions holds something that is no condition")
    return _Condition(*(str(text or "") for text in texts))


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
    ("batch", "CronJob"): _always("Resource is always ready"),
    ("policy", "PodDisruptionBudget"): _always("AllowedDisruptions has been computed."),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
}
