"""How a pass ends: Done, Waiting, or a Failure. What that means to the reader of the object is `settle`'s matter."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from fleetloop.kube.objects import ObjectRef


class Retry(Enum):
    """When a failed pass is tried again."""

    BACKOFF = auto()  # sooner at first, then rarer and rarer
    AFTER = auto()  # after `Failure.after` seconds
    NEVER = auto()  # only a change of the object or a request wakes it: Stalled


@dataclass(frozen=True, slots=True)
class Done:
    """The object is as its spec says; `after` is seconds to the next pass, None for none. Operators read only `is_news`."""

    after: float | None
    reason: str = "ReconciliationSucceeded"
    message: str = ""
    event: str = ""
    event_metadata: tuple[tuple[str, str], ...] = ()
    is_news: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """Applied; settled when `targets` are, or after `timeout` seconds. `token` names what is waited for. `fail_fast`: one target
    that failed ends it."""

    token: str
    targets: frozenset["Target"]
    timeout: float
    message: str
    fail_fast: bool = True


@dataclass(frozen=True, slots=True)
class HealthRules:
    """CEL expressions over an object's fields, asked in this order; "" for none."""

    in_progress: str
    failed: str
    current: str


@dataclass(frozen=True, slots=True)
class Target:
    """An object to become healthy. `version`: the resourceVersion it must at least have, else yesterday's verdict would count.
    `may_vanish`: a Job that is removed when it is done; gone is done. `rules` judge it instead of kstatus. `cluster`: which one,
    "" for this."""

    ref: ObjectRef
    version: int = 0
    may_vanish: bool = False
    rules: HealthRules | None = None
    cluster: str = ""


Outcome = Done | Waiting
Severity = Literal["Normal", "Warning", "Trace"]


PassEnd = Literal["success", "requeue_after", "error", "terminal_error", "bug"]  # in the words of the metrics


class Failure(Exception):
    """What a user sees when a pass fails: `reason` is the condition's, the message names object and field and holds no secret.

    `severity` is the event's; None emits none. `is_jittered`: the time to the next try varies as an interval does.
    """

    reason = "ReconciliationFailed"
    retry = Retry.BACKOFF
    severity: Severity | None = "Warning"
    is_jittered = False

    def __init__(self, message: str, *, after: float | None = None, metadata: Mapping[str, str] | None = None) -> None:
        """`after`: seconds to the next try. `metadata`: the event's."""
        super().__init__(message)
        self.after = after
        self.metadata = metadata or {}
        if after is not None:
            self.retry = Retry.AFTER


def pass_end(result: Outcome | Failure) -> PassEnd:
    match result:
        case Failure(retry=Retry.BACKOFF):
            return "error"
        case Failure(retry=Retry.NEVER):
            return "terminal_error"
        case Waiting() | Done(after=None):
            return "success"
        case _:
            return "requeue_after"


class BadSpec(Failure):
    """A field that nobody can act on; only a change of the object helps."""

    retry = Retry.NEVER
