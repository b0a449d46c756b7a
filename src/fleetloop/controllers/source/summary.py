"""Ready, Reconciling and Stalled of a source, computed from the facts its pass left in the other conditions (SK1).

Pure. Flux: source-kustomize.md 1.1. A source can be unready and still serve its old artifact.
"""

import datetime
from collections.abc import Sequence

from fleetloop.api import reasons
from fleetloop.api.meta import Condition, Status
from fleetloop.controllers.source.failures import SourceFailure, VerificationFailed
from fleetloop.runtime.conditions import READY, RECONCILING, STALLED, mark, remove, rename_reason
from fleetloop.runtime.outcome import Failure, Outcome, Retry

IN_PROGRESS = "reconciliation in progress"
# Facts in the order in which they decide; those of the first line are bad news while True, and absent otherwise.
BAD_NEWS = (
    *(reasons.STORAGE_OPERATION_FAILED, reasons.FETCH_FAILED),
    *(reasons.INCLUDE_UNAVAILABLE, reasons.BUILD_FAILED, reasons.ARTIFACT_OUTDATED),
)
GOOD_NEWS = (reasons.ARTIFACT_IN_STORAGE, reasons.SOURCE_VERIFIED)
OWNED = frozenset((*BAD_NEWS, *GOOD_NEWS, READY, RECONCILING, STALLED))
FAILURES = frozenset(BAD_NEWS) - {reasons.ARTIFACT_OUTDATED}  # what a success event may announce the end of


def begin(status: Status, message: str, *, drift: bool, generation: int, now: datetime.datetime) -> None:
    """A pass has work to do. `drift`: what is served is known to be outdated, so an old Ready no longer counts."""
    mark(status, RECONCILING, "True", reasons.PROGRESSING, message, generation=generation, now=now)
    ready = status.condition(READY)
    if drift or ready is None or ready.status == "Unknown":
        mark(status, READY, "Unknown", reasons.PROGRESSING, message, generation=generation, now=now)


def summarize(status: Status, result: Outcome | Failure, *, generation: int, now: datetime.datetime) -> None:
    """Turns the end of a pass into conditions and observedGeneration."""
    if isinstance(result, SourceFailure) and result.condition:
        value = "False" if isinstance(result, VerificationFailed) else "True"
        mark(status, result.condition, value, result.reason, str(result), generation=generation, now=now)
    match result:
        case Failure(retry=Retry.NEVER):
            mark(status, STALLED, "True", result.reason, str(result), generation=generation, now=now)
            status.observed_generation = generation
        case Failure():
            if status.condition(RECONCILING):
                rename_reason(status, RECONCILING, reasons.PROGRESSING_WITH_RETRY, now=now)
            else:
                reason = reasons.PROGRESSING_WITH_RETRY
                mark(status, RECONCILING, "True", reason, IN_PROGRESS, generation=generation, now=now)
        case _:
            remove(status, RECONCILING, STALLED)
            status.observed_generation = generation
    value, reason, message = _ready(status.conditions, result)
    mark(status, READY, value, reason, message, generation=generation, now=now)


def has_failed(status: Status) -> bool:
    """Whether a failure is on record, whose end is worth an event."""
    return any(condition.type in FAILURES and condition.status == "True" for condition in status.conditions)


def _ready(conditions: Sequence[Condition], result: Outcome | Failure) -> tuple[str, str, str]:
    found = {condition.type: condition for condition in conditions}
    bad = [found[type] for type in BAD_NEWS if type in found and found[type].status == "True"]
    denied = [found[type] for type in reversed(GOOD_NEWS) if type in found and found[type].status == "False"]
    unverified = [condition for condition in denied if condition.type == reasons.SOURCE_VERIFIED]
    for condition in (*unverified, *bad, *denied):  # an unverified source is never ready for another reason
        return "False", condition.reason, condition.message
    if isinstance(result, Failure):
        return "False", result.reason, str(result)
    stored = found.get(reasons.ARTIFACT_IN_STORAGE)
    return ("True", stored.reason, stored.message) if stored else ("Unknown", reasons.PROGRESSING, IN_PROGRESS)
