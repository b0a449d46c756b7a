"""What a pass means to whoever reads the object: the writer of Ready, Reconciling and Stalled for kinds that apply something.

Sources compute Ready from their facts instead (`controllers/source/summary.py`); both end in `runtime.conditions`.
"""

import datetime

from fleetloop.api.meta import Status
from fleetloop.runtime.conditions import READY, RECONCILING, STALLED, mark, remove, rename_reason
from fleetloop.runtime.outcome import Done, Failure, Outcome, Retry, Waiting

IN_PROGRESS = "Reconciliation in progress"


def begin(status: Status, message: str, *, generation: int, now: datetime.datetime) -> None:
    """A pass has started: Ready is unknown until it ends."""
    mark(status, READY, "Unknown", "Progressing", IN_PROGRESS, generation=generation, now=now)
    mark(status, RECONCILING, "True", "Progressing", message, generation=generation, now=now)


def settle(status: Status, result: Outcome | Failure, *, generation: int, now: datetime.datetime) -> None:
    """SK21: after a failure observedGeneration stays, and Reconciling goes on as ProgressingWithRetry."""
    match result:
        case Done(reason=reason, message=message):
            mark(status, READY, "True", reason, message, generation=generation, now=now)
            remove(status, RECONCILING, STALLED)
            status.observed_generation = generation
        case Waiting(message=message):
            mark(status, RECONCILING, "True", "Progressing", message, generation=generation, now=now)
        case Failure(retry=Retry.NEVER) as failure:
            mark(status, READY, "False", failure.reason, str(failure), generation=generation, now=now)
            mark(status, STALLED, "True", failure.reason, str(failure), generation=generation, now=now)
            status.observed_generation = generation
        case Failure() as failure:
            mark(status, READY, "False", failure.reason, str(failure), generation=generation, now=now)
            if status.condition(RECONCILING):
                rename_reason(status, RECONCILING, "ProgressingWithRetry", now=now)
            else:
                mark(status, RECONCILING, "True", "ProgressingWithRetry", IN_PROGRESS, generation=generation, now=now)
