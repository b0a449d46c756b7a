"""What a release's actions leave in its conditions, and how Ready follows from them. Pure. Flux: 2.8, 2.15."""

import datetime

from fleetloop.api.helm import HelmRelease, HelmReleaseStatus
from fleetloop.api.meta import Condition
from fleetloop.controllers.helm.failures import ActionFailed, NoRollbackTarget, RetriesExceeded, RetryLater
from fleetloop.runtime.conditions import READY, RECONCILING, STALLED, mark, remove, rename_reason
from fleetloop.runtime.outcome import Done, Failure, Outcome, Retry

RELEASED, TEST_SUCCESS, REMEDIATED, DRIFTED = "Released", "TestSuccess", "Remediated", "Drifted"
OWNED = frozenset({READY, RECONCILING, STALLED, RELEASED, TEST_SUCCESS, REMEDIATED})
PREREQUISITES = "Fulfilling prerequisites"
IN_PROGRESS = "reconciliation in progress"
_OWN_WORD = (ActionFailed, RetryLater, RetriesExceeded, NoRollbackTarget)  # the action's condition says it already


def summarize(draft: HelmReleaseStatus, release: HelmRelease, now: datetime.datetime) -> None:
    """Ready as the strongest of what the actions left: a remediation, tests, the release."""
    generation = release.metadata.generation
    test = release.spec.test
    if not (test and test.enable):
        remove(draft, TEST_SUCCESS)
    found = [condition for type in _strongest_first(release) if (condition := draft.condition(type))]
    if not found:
        return
    found.sort(key=lambda condition: -condition.observed_generation)  # stable: the strongest of the newest
    one = found[0]
    value = "False" if one.type == REMEDIATED else one.status
    mark(draft, READY, value, one.reason, one.message, generation=generation, now=now)
    if value == "True":
        remove(draft, STALLED)


def _strongest_first(release: HelmRelease) -> list[str]:
    test = release.spec.test
    tests = [TEST_SUCCESS] if test and test.enable and not test.ignore_failures else []
    return [REMEDIATED, *tests, RELEASED]


def settle(draft: HelmReleaseStatus, release: HelmRelease, result: Outcome | Failure, now: datetime.datetime) -> None:
    """The end of a pass. observedGeneration moves when it ended for good, or with a try at a set time."""
    generation = release.metadata.generation
    match result:
        case Done():
            summarize(draft, release, now)
            remove(draft, RECONCILING, STALLED)
            draft.observed_generation = generation
        case Failure(retry=Retry.NEVER):
            if not isinstance(result, _OWN_WORD):
                mark(draft, READY, "False", result.reason, str(result), generation=generation, now=now)
            else:
                summarize(draft, release, now)
            mark(draft, STALLED, "True", result.reason, str(result), generation=generation, now=now)
            draft.observed_generation = generation
        case Failure():
            if isinstance(result, _OWN_WORD):
                summarize(draft, release, now)
            else:
                mark(draft, READY, "False", result.reason, str(result), generation=generation, now=now)
            _retrying(draft, generation, now)
            if isinstance(result, RetryLater):
                mark(draft, RECONCILING, "True", "ProgressingWithRetry", str(result), generation=generation, now=now)
                draft.observed_generation = generation


def begin(draft: HelmReleaseStatus, release: HelmRelease, now: datetime.datetime) -> None:
    """Ready stays what it was."""
    mark(draft, RECONCILING, "True", "Progressing", PREREQUISITES, generation=release.metadata.generation, now=now)


def running(draft: HelmReleaseStatus, release: HelmRelease, message: str, now: datetime.datetime, *, ready: bool) -> None:
    """An action starts; `ready`: it decides whether the release is."""
    generation = release.metadata.generation
    mark(draft, RECONCILING, "True", "Progressing", message, generation=generation, now=now)
    if ready:
        mark(draft, READY, "Unknown", "Progressing", message, generation=generation, now=now)


def forget_prerequisite_failures(draft: HelmReleaseStatus, release: HelmRelease, now: datetime.datetime) -> None:
    """What kept the release from being looked at is over."""
    reasons = {"DependencyNotReady", "AccessDenied", "ArtifactFailed", "SourceNotReady", "ValuesError", "ChartMutateError"}
    ready = draft.condition(READY)
    if ready and ready.status == "False" and ready.reason in reasons | {"RESTClientError", "StateError"}:
        mark(draft, READY, "Unknown", "Progressing", IN_PROGRESS, generation=release.metadata.generation, now=now)


def recovered(draft: HelmReleaseStatus, release: HelmRelease, message: str, now: datetime.datetime) -> None:
    """A release that is as wanted: an old remediation, or a failure that others mended, no longer counts."""
    released: Condition | None = draft.condition(RELEASED)
    if draft.is_true(REMEDIATED) or released is None or released.status != "True":
        remove(draft, REMEDIATED)
        reason = "InstallSucceeded" if draft.last_attempted_release_action == "install" else "UpgradeSucceeded"
        mark(draft, RELEASED, "True", reason, message, generation=release.metadata.generation, now=now)


def _retrying(draft: HelmReleaseStatus, generation: int, now: datetime.datetime) -> None:
    if draft.condition(RECONCILING):
        rename_reason(draft, RECONCILING, "ProgressingWithRetry", now=now)
    else:
        mark(draft, RECONCILING, "True", "ProgressingWithRetry", IN_PROGRESS, generation=generation, now=now)
