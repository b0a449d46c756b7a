"""The status the node reports for a pod: containers' states to phase and conditions. Pure."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fleetloop.kube import Manifest


@dataclass(frozen=True, slots=True)
class Waiting:
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    since: str


@dataclass(frozen=True, slots=True)
class Terminated:
    exit_code: int
    reason: str
    started_at: str
    finished_at: str
    message: str = ""


State = Waiting | Running | Terminated


@dataclass(slots=True)
class ContainerStatus:
    """`last`: how the run before the current one ended."""

    name: str
    image: str
    state: State = field(default_factory=lambda: Waiting("ContainerCreating"))
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False

    def document(self, pod_uid: str) -> dict[str, Any]:
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image,
            "containerID": f"fleetloop://{pod_uid}/{self.name}/{self.restarts}",
            "state": _state_document(self.state),
            "lastState": _state_document(self.last) if self.last else {},
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": self.started,
        }


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod is: the node's address and its own."""

    host_ip: str
    pod_ip: str


def timestamp(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(pod: Manifest, containers: Sequence[ContainerStatus], place: Place, now: str) -> dict[str, Any]:
    """A status to patch in. Transition times stay where a condition did not change."""
    phase = phase_of(containers)
    ready = phase == "Running" and all(c.ready for c in containers)
    before = pod.get("status") or {}
    reason = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "" if ready else "ContainersNotReady")
    conditions = [
        _condition(before, "PodScheduled", True, "", now),
        _condition(before, "Initialized", True, "PodCompleted" if phase == "Succeeded" else "", now),
        _condition(before, "ContainersReady", ready, reason, now),
        _condition(before, "Ready", ready and _gates_open(pod), reason, now),
    ]
    uid = pod["metadata"]["uid"]
    return {
        "phase": phase,
        "conditions": conditions + _foreign_conditions(before),
        "hostIP": place.host_ip,
        "hostIPs": [{"ip": place.host_ip}],
        "podIP": place.pod_ip,
        "podIPs": [{"ip": place.pod_ip}],
        "startTime": before.get("startTime") or now,
        "qosClass": before.get("qosClass") or "BestEffort",
        "initContainerStatuses": [_completed_init(c, uid, now) for c in pod["spec"].get("initContainers") or []],
        "containerStatuses": [c.document(uid) for c in containers],
    }


def unschedulable(pod: Manifest, message: str, now: str) -> dict[str, Any]:
    condition = _condition(pod.get("status") or {}, "PodScheduled", False, "Unschedulable", now)
    return {"phase": "Pending", "conditions": [condition | {"message": message}]}


def phase_of(containers: Sequence[ContainerStatus]) -> str:
    ends = [c.state for c in containers if isinstance(c.state, Terminated)]
    if len(ends) == len(containers):
        return "Failed" if any(end.exit_code for end in ends) else "Succeeded"
    has_started = any(isinstance(c.state, Running) or c.last for c in containers)
    return "Running" if has_started else "Pending"


def is_finished(pod: Manifest) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


_OURS = {"PodScheduled", "Initialized", "ContainersReady", "Ready"}


def _foreign_conditions(status: Manifest) -> list[Any]:
    return [c for c in status.get("conditions") or [] if c["type"] not in _OURS]


def _gates_open(pod: Manifest) -> bool:
    true = {c["type"] for c in (pod.get("status") or {}).get("conditions") or [] if c["status"] == "True"}
    return all(gate["conditionType"] in true for gate in pod["spec"].get("readinessGates") or [])


def _condition(before: Manifest, kind: str, holds: bool, reason: str, now: str) -> dict[str, Any]:
    status = "True" if holds else "False"
    old: dict[str, Any] = next((c for c in before.get("conditions") or [] if c["type"] == kind), {})
    since = old.get("lastTransitionTime") if old.get("status") == status else now
    return {"type": kind, "status": status, "lastTransitionTime": since or now} | ({"reason": reason} if reason else {})


def _completed_init(container: Manifest, uid: str, now: str) -> dict[str, Any]:
    end = Terminated(0, "Completed", now, now)
    return ContainerStatus(container["name"], container["image"], end, ready=True).document(uid)


def _state_document(state: State) -> dict[str, Any]:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        case Running(since):
            return {"running": {"startedAt": since}}
        case Terminated():
            return {
                "terminated": {
                    "exitCode": state.exit_code,
                    "reason": state.reason,
                    "startedAt": state.started_at,
                    "finishedAt": state.finished_at,
                }
                | ({"message": state.message} if state.message else {})
            }
