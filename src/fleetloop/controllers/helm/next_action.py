"""From the state of a release to what is done about it. Pure. Flux: helm-notification-image.md 2.7."""

from dataclasses import dataclass
from enum import StrEnum

from fleetloop.controllers.helm.failures import NoRollbackTarget, RetriesExceeded
from fleetloop.controllers.helm.remediation import Remediation
from fleetloop.controllers.helm.state import State


class Action(StrEnum):
    INSTALL = "install"
    UPGRADE = "upgrade"
    TEST = "test"
    ROLLBACK = "rollback"
    UNINSTALL = "uninstall"
    UNLOCK = "unlock"
    CORRECT = "correct cluster drift"


KIND = {  # each kind of action runs once a pass
    Action.INSTALL: "release",
    Action.UPGRADE: "release",
    Action.TEST: "test",
    Action.ROLLBACK: "remediate",
    Action.UNINSTALL: "remediate",
    Action.UNLOCK: "unlock",
    Action.CORRECT: "drift correction",
}
REMEDIES = frozenset({Action.ROLLBACK, Action.UNINSTALL})


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`active`: the remediation of the last action. `retries`: failures are tried again as they are. `forced`: a person asked for
    it. `target`: there is a release to roll back to; `target_is_stored`: Helm still has it. `corrects`: drift is undone, not only
    told."""

    install: Remediation
    upgrade: Remediation
    active: Remediation | None
    retries: bool = False
    forced: bool = False
    target: bool = False
    target_is_stored: bool = True
    corrects: bool = False


def next_action(state: State, about: Circumstances) -> Action | None:
    """None when there is nothing to do. Raises RetriesExceeded, NoRollbackTarget."""
    simple = {
        State.IN_SYNC: Action.UPGRADE if about.forced else None,
        State.LOCKED: Action.UNLOCK,
        State.UNMANAGED: Action.UPGRADE,
        State.DRIFTED: Action.CORRECT if about.corrects else None,
        State.UNTESTED: Action.TEST,
    }
    if state in simple:
        return simple[state]
    if state is State.ABSENT:
        return _unless_exhausted(Action.INSTALL, about.install, about)
    if state is State.OUT_OF_SYNC:
        return _unless_exhausted(Action.UPGRADE, about.upgrade, about)
    return _after_failure(about)


def _unless_exhausted(action: Action, remediation: Remediation, about: Circumstances) -> Action:
    if remediation.is_exhausted and not about.forced:
        raise exhausted(action, remediation)
    return action


def _after_failure(about: Circumstances) -> Action:
    active = about.active
    if about.retries or about.forced or active is None or active.counter == 0:
        return Action.UPGRADE
    if active.is_exhausted and not active.remediate_last:
        raise exhausted(Action.UPGRADE if active is about.upgrade else Action.INSTALL, active)
    if active.remedy == "uninstall":
        return Action.UNINSTALL
    if not about.target:
        raise NoRollbackTarget("Failed to perform remediation: missing target release for rollback")
    return Action.ROLLBACK if about.target_is_stored else Action.UPGRADE


def exhausted(action: Action, remediation: Remediation) -> RetriesExceeded:
    return RetriesExceeded(f"Failed to {action} after {remediation.counter} attempt(s)")
