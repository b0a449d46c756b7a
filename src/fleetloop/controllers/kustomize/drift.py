"""When a Kustomization's objects are not repaired at once, and what the people are told who can end a fight. Pure."""

from fleetloop.api.kustomize import Kustomization
from fleetloop.kube.live import LiveObject
from fleetloop.kube.switches import DRIFT_REPAIR
from fleetloop.runtime.foreign_writes import FIGHT, LONGEST_PAUSE, ForeignWrite


def waits_for_interval(ks: Kustomization | None, *versions: LiveObject | None) -> bool:
    """Whether the Kustomization or the object, before or after the write, asks not to be repaired at once."""
    asked = ks is not None and ks.metadata.annotations.get(DRIFT_REPAIR, "").lower() == "disabled"
    return asked or any(live is not None and live.left_alone for live in versions)


def told_of_fight(write: ForeignWrite) -> str:
    """For the people who can end it."""
    return (
        f"{write}, {FIGHT} times in a row, and is repaired after ever longer pauses of up to {LONGEST_PAUSE:g}s; leave fields to "
        f"others with spec.ignore, or repair at the interval only: annotation {DRIFT_REPAIR}: disabled, here or on the object"
    )
