"""Changes of a status' conditions, pure: the time moves when status, reason or message do; the order is Flux's.

Flux: helm-notification-image.md 1.4.
"""

import datetime

from fleetloop.api.meta import Condition, Status
from fleetloop.runtime.wording import shortened

READY, RECONCILING, STALLED = "Ready", "Reconciling", "Stalled"
LONGEST_MESSAGE = 32768
_ORDER = {STALLED: 0, RECONCILING: 1, READY: 2}
_EXCLUDES = {STALLED: RECONCILING, RECONCILING: STALLED}


def mark(status: Status, type: str, value: str, reason: str, message: str, *, generation: int, now: datetime.datetime) -> None:
    """Sets one condition. `now` is cut to whole seconds. Reconciling and Stalled drive each other out."""
    message = shortened(message, LONGEST_MESSAGE)
    old = status.condition(type)
    same = old is not None and (old.status, old.reason, old.message) == (value, reason, message)
    since = old.last_transition_time if old and same else now.replace(microsecond=0)
    new = Condition(
        type=type,
        status=value,  # type: ignore[arg-type]  # callers write the literals
        reason=reason,
        message=message,
        last_transition_time=since,
        observed_generation=generation,
    )
    others = [c for c in status.conditions if c.type not in {type, _EXCLUDES.get(type)}]
    status.conditions = in_order([*others, new])


def remove(status: Status, *types: str) -> None:
    status.conditions = tuple(c for c in status.conditions if c.type not in types)


def rename_reason(status: Status, type: str, reason: str, *, now: datetime.datetime) -> None:
    """Gives a condition another reason and keeps the rest; nothing when it is absent."""
    if (old := status.condition(type)) and old.reason != reason:
        new = Condition(
            type=type,
            status=old.status,
            reason=reason,
            message=old.message,
            last_transition_time=now.replace(microsecond=0),
            observed_generation=old.observed_generation,
        )
        status.conditions = in_order([new if c.type == type else c for c in status.conditions])


def in_order(conditions: list[Condition]) -> tuple[Condition, ...]:
    return tuple(sorted(conditions, key=lambda c: (_ORDER.get(c.type, 3), -c.observed_generation, c.type)))


def merged(live: Status, draft: Status, owned: frozenset[str]) -> tuple[Condition, ...]:
    """Our conditions from the draft, everybody else's from the live object."""
    ours = [c for c in draft.conditions if c.type in owned]
    return in_order([*ours, *(c for c in live.conditions if c.type not in owned)])
