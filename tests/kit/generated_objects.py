"""Objects for comparing verdicts on their health: as an API server could hold them, and some that none would."""

import random
from typing import Any

KINDS = [
    *(("apps/v1", kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")),
    *(("v1", kind) for kind in ("Pod", "PersistentVolumeClaim", "Service", "ConfigMap", "Secret", "Namespace")),
    *(("batch/v1", "Job"), ("batch/v1", "CronJob"), ("policy/v1", "PodDisruptionBudget")),
    *(("apiextensions.k8s.io/v1", "CustomResourceDefinition"), ("example.org/v1", "Widget"), ("example.org/v1", "Deployment")),
]
CONDITIONS = ["Ready", "Reconciling", "Stalled", "Progressing", "Available", "ReplicaFailure", "PodScheduled", "Complete"]
CONDITIONS += ["Failed", "NamesAccepted", "Established", "Suspended", "Synced"]
REASONS = ["NewReplicaSetAvailable", "ProgressDeadlineExceeded", "Unschedulable", "Installing", "Other", ""]
COUNTS = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "fullyLabeledReplicas", "currentReplicas"]
COUNTS += ["desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"]
COUNTS += ["succeeded", "failed", "active"]
ODD: list[Any] = [None, "", "x", 1.5, True, -3, [], {}, [1], {"a": 1}]


class GeneratedObjects:
    """The same ones for the same seed, with a little of everything that verdicts depend on."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def some(self, value: Any) -> Any:
        """`value`, or with a small chance something that has no place there."""
        return self.chance.choice(ODD) if self.chance.random() < 0.004 else value

    def kept(self, fields: dict[str, Any], often: float) -> dict[str, Any]:
        return {name: self.some(value) for name, value in fields.items() if self.chance.random() < often}

    def made(self) -> dict[str, Any]:
        pick = self.chance.choice
        api_version, kind = pick(KINDS)
        wanted = pick([0, 1, 1, 2, 3])
        counts = {name: wanted if self.chance.random() < 0.85 else pick([0, 1, 2, 3]) for name in COUNTS}
        strategy = {
            "type": pick(["RollingUpdate", "OnDelete"]),
            "rollingUpdate": self.kept({"partition": pick([-1, 0, 1, 2])}, 0.3),
        }
        spec = {"replicas": wanted, "progressDeadlineSeconds": pick([600, 2**31 - 1]), "updateStrategy": self.kept(strategy, 0.5)}
        spec |= {"type": pick(["ClusterIP", "LoadBalancer"]), "clusterIP": pick(["", "10.0.0.1"])}
        spec |= {"completions": pick([1, 3]), "parallelism": pick([1, 2])}
        status = counts | {
            "observedGeneration": pick([2, 2, 2, 2, 1]),
            "conditions": self.conditions(),
            "phase": self.phase(kind),
        }
        status |= {
            "startTime": "2026-01-01T00:00:00Z",
            "currentRevision": "a",
            "updateRevision": pick(["a", "a", "b"]),
            "containerStatuses": self.containers(),
        }
        metadata = {"generation": 2, "name": "o"} | (
            {"deletionTimestamp": "2026-01-01T00:00:00Z"} if pick(range(40)) == 0 else {}
        )
        made = {"spec": self.kept(spec, 0.8), "status": self.kept(status, 0.95), "metadata": self.kept(metadata, 0.95)}
        return {"apiVersion": api_version, "kind": kind} | {name: self.some(value) for name, value in made.items()}

    def conditions(self) -> list[Any]:
        return [self.some(self.condition()) for _ in range(self.chance.randint(0, 4))]

    def condition(self) -> dict[str, Any]:
        status = self.chance.choice(["True", "True", "False", "Unknown", "true", ""])
        fields = {"reason": self.chance.choice(REASONS), "message": self.chance.choice(["all well", "ünwell", ""])}
        return {"type": self.some(self.chance.choice(CONDITIONS)), "status": self.some(status)} | self.kept(fields, 0.9)

    def phase(self, kind: str) -> str:
        pods = ["Running", "Running", "Pending", "Succeeded", "Failed", "", "Odd"]
        return self.chance.choice(pods if kind == "Pod" else ["Bound", "Pending", "Lost"])

    def containers(self) -> list[dict[str, Any]]:
        state = {"waiting": {"reason": self.chance.choice(["CrashLoopBackOff", "ImagePullBackOff"])}}
        return [{"name": f"c{number}", "state": state} for number in range(self.chance.randint(0, 2))]
