"""What a release's actions leave in its conditions, and how Ready follows from them. Pure. Flux: 2.8, 2.15."""

import datetime

import msgspec

from fleetloop.api.helm import HelmRelease, HelmReleaseStatus
from fleetloop.api.meta import Condition
from fleetloop.controllers.helm.failures import RetryLater, Superseded, Told
from fleetloop.runtime.conditions import READY, RECONCILING, STALLED, mark, remove, rename_reason
from fleetloop.runtime.outcome import Done, Failure, Outcome, Retry

RELEASED, TEST_SUCCESS, REMEDIATED, DRIFTED = "Released", "TestSuccess", "Remediated", "Drifted"
OWNED = frozenset({READY, RECONCILING, STALLED, RELEASED, TEST_SUCCESS, REMEDIATED, DRIFTED})
PREREQUISITES = "Fulfilling prerequisites"
IN_PROGRESS = "reconciliation in progress"
BEFORE_THE_RELEASE = frozenset(  # reasons of what must be there before a release is looked at
    {
        "DependencyNotReady",
        "AccessDenied",
        "ArtifactFailed",
        "SourceNotReady",
        "ValuesError",
        "ChartMutateError",
        "RESTClientError",
        "StateError",
        "InvalidCELExpression",
        "ReconciliationFailed",
    }
)


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
    if isinstance(result, Superseded) or (isinstance(result, Failure) and not isinstance(result, Told)):
        mark(draft, READY, "False", result.reason, str(result), generation=generation, now=now)
    else:
        summarize(draft, release, now)
    match result:
        case Done():
            remove(draft, RECONCILING, STALLED)
        case Failure(retry=Retry.NEVER):
            mark(draft, STALLED, "True", result.reason, str(result), generation=generation, now=now)
        case RetryLater():
            mark(draft, RECONCILING, "True", "ProgressingWithRetry", str(result), generation=generation, now=now)
        case _:
            _retrying(draft, generation, now)
            return
    draft.observed_generation = generation


def begin(draft: HelmReleaseStatus, release: HelmRelease, now: datetime.datetime) -> None:
    """Ready stays what it was."""
    mark(draft, RECONCILING, "True", "Progressing", PREREQUISITES, generation=release.metadata.generation, now=now)


def running(draft: HelmReleaseStatus, release: HelmRelease, message: str, now: datetime.datetime) -> None:
    """An action starts."""
    mark(draft, RECONCILING, "True", "Progressing", message, generation=release.metadata.generation, now=now)


def unknown(draft: HelmReleaseStatus, release: HelmRelease, message: str, now: datetime.datetime) -> None:
    """What runs now decides whether the release is ready."""
    mark(draft, READY, "Unknown", "Progressing", message, generation=release.metadata.generation, now=now)


def forget_prerequisite_failures(draft: HelmReleaseStatus, release: HelmRelease, now: datetime.datetime) -> None:
    """What kept the release from being looked at is over."""
    ready = draft.condition(READY)
    if ready and ready.status == "False" and ready.reason in BEFORE_THE_RELEASE:
        unknown(draft, release, IN_PROGRESS, now)


def recovered(draft: HelmReleaseStatus, release: HelmRelease, message: str, now: datetime.datetime) -> None:
    """A release that is as wanted: an old remediation, or a failure that others mended, no longer counts. The conversion of a
    remediation keeps its time. Flux: 2.7."""
    generation = release.metadata.generation
    if remediated := draft.condition(REMEDIATED):
        remove(draft, REMEDIATED)
        mark(draft, RELEASED, "True", "UpgradeSucceeded", message, generation=generation, now=now)
        if remediated.status == "True":
            _keep_time(draft, RELEASED, remediated)
    released = draft.condition(RELEASED)
    if released is None or released.status != "True":
        reason = "InstallSucceeded" if draft.last_attempted_release_action == "install" else "UpgradeSucceeded"
        mark(draft, RELEASED, "True", reason, message, generation=generation, now=now)


def _keep_time(draft: HelmReleaseStatus, type: str, of: Condition) -> None:
    draft.conditions = tuple(
        msgspec.structs.replace(one, last_transition_time=of.last_transition_time) if one.type == type else one
        for one in draft.conditions
    )


def _retrying(draft: HelmReleaseStatus, generation: int, now: datetime.datetime) -> None:
    if draft.condition(RECONCILING):
        rename_reason(draft, RECONCILING, "ProgressingWithRetry", now=now)
    else:
        mark(draft, RECONCILING, "True", "ProgressingWithRetry", IN_PROGRESS, generation=generation, now=now)
