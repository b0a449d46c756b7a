"""Pods that are only pretended: they start at once, jobs succeed at once, and nothing runs.

Annotations of the pod ask for another fate: `local.fleetloop.dev/delay: 5s` for a slow start (a job: a slow end),
`local.fleetloop.dev/fail: "true"` for a container that crashes.
"""

import asyncio
from dataclasses import dataclass

from fleetloop.api.durations import InvalidDuration, seconds_of
from fleetloop.kube import Manifest, annotations_of
from fleetloop.local.node.pod_report import PodReport
from fleetloop.local.node.pod_status import ContainerStatus, Running, State, Terminated, Waiting

DELAY = "local.fleetloop.dev/delay"
FAIL = "local.fleetloop.dev/fail"


@dataclass(frozen=True, slots=True)
class Pretence:
    """The fate of a pod: `ends` as a job's pod does, else it stays; `delay` in seconds."""

    ends: bool
    fails: bool
    delay: float

    @classmethod
    def of(cls, pod: Manifest) -> "Pretence":
        annotations = annotations_of(pod)
        return cls(
            ends=pod["spec"].get("restartPolicy", "Always") != "Always",  # jobs', and pods that are tests of a chart
            fails=annotations.get(FAIL, "false").lower() not in {"false", "0", ""},
            delay=_seconds(annotations.get(DELAY, "0s")),
        )

    def at_first(self, now: str) -> State:
        """While the delay runs."""
        return Running(now) if self.ends else Waiting("ContainerCreating")

    def at_last(self, now: str) -> State:
        if self.ends:
            return self._end(now)
        return Waiting("CrashLoopBackOff", "asked for by an annotation") if self.fails else Running(now)

    def past(self, now: str) -> Terminated | None:
        """How the run before the present one ended."""
        return self._end(now) if self.fails and not self.ends else None

    def _end(self, now: str) -> Terminated:
        return Terminated(1, "Error", now, now) if self.fails else Terminated(0, "Completed", now, now)


async def pretend(pod: Manifest, report: PodReport, now: str) -> None:
    """Brings the pod to its fate and tells so."""
    fate = Pretence.of(pod)
    if fate.delay > 0:
        await report.tell(_containers(pod, fate.at_first(now), None))
        await asyncio.sleep(fate.delay)  # what the annotation asks for
    await report.tell(_containers(pod, fate.at_last(now), fate.past(now)))


def _containers(pod: Manifest, state: State, last: Terminated | None) -> list[ContainerStatus]:
    runs = isinstance(state, Running)
    crashed = 1 if last else 0
    return [
        ContainerStatus(c["name"], c["image"], state, last=last, restarts=crashed, ready=runs, started=runs)
        for c in pod["spec"]["containers"]
    ]


def _seconds(text: str) -> float:
    """What cannot be read asks for nothing."""
    try:
        return max(0.0, seconds_of(text))
    except InvalidDuration:
        return 0.0
