"""What may go wrong between a client and an API server, and a seeded plan of when it does. Pure; `fault_proxy` carries it out."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """Of a request, or (from WATCH_CUT on) of a watch."""

    SLOW = "slow answer"
    CONFLICT = "409 Conflict"
    THROTTLED = "429 with Retry-After"
    THROTTLED_BARE = "429 without Retry-After"
    INTERNAL = "500"
    UNAVAILABLE = "503"
    TIMED_OUT = "504, done all the same"
    CUT_BEFORE = "connection cut before the request arrived"
    CUT_AFTER = "done, answer lost"
    TRUNCATED = "JSON body cut short"
    RESET_IDLE = "keep-alive connection reset"
    WATCH_CUT = "watch cut inside a line"
    WATCH_TORN = "watch ended in order inside a line"
    WATCH_EXPIRED = "watch 410 Expired"
    WATCH_DEAF = "watch without bookmarks"
    WATCH_STALLED = "watch stalled in silence"


WATCH_FAULTS = frozenset(fault for fault in Fault if fault.name.startswith("WATCH_"))


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str  # with its query

    @property
    def is_watch(self) -> bool:
        return self.method == "GET" and "watch=true" in self.path


@dataclass(slots=True)
class Rule:
    """The next `times` requests that match get this fault, whatever the rates say."""

    fault: Fault
    matches: Callable[[Request], bool]
    times: int = 1


@dataclass(slots=True)
class FaultPlan:
    """`rates`: share of the requests, or of the watches, that meet a fault. `counts` what was dealt.

    The n-th request with a method and path meets the same fate at every run with the same seed, whatever goes on beside it.
    """

    seed: int = 0
    rates: Mapping[Fault, float] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    counts: Counter[Fault] = field(default_factory=Counter)
    requests: int = 0
    _asked: Counter[Request] = field(default_factory=Counter)

    def next_fault(self, request: Request) -> Fault | None:
        self.requests += 1
        self._asked[request] += 1
        fault = self._by_rule(request) or self._by_rate(request)
        if fault:
            self.counts[fault] += 1
        return fault

    def number(self, request: Request, below: int) -> int:
        """A number for this request: where to cut, how long to wait."""
        return self._dice(request, "number").randrange(below)

    def stop(self) -> None:
        """From now on all goes well."""
        self.rates, self.rules = {}, []

    def table(self) -> str:
        lines = [f"{fault.value}: {self.counts[fault]}" for fault in Fault if self.counts[fault]]
        return "\n".join([f"{sum(self.counts.values())} faults in {self.requests} requests", *lines])

    def _by_rule(self, request: Request) -> Fault | None:
        for rule in self.rules:
            if rule.times > 0 and rule.matches(request):
                rule.times -= 1
                return rule.fault
        return None

    def _by_rate(self, request: Request) -> Fault | None:
        chance = self._dice(request, "fault").random()
        for fault, rate in self.rates.items():
            if (fault in WATCH_FAULTS) != request.is_watch:
                continue
            if chance < rate:
                return fault
            chance -= rate
        return None

    def _dice(self, request: Request, purpose: str) -> random.Random:
        path = request.path.partition("resourceVersion=")[0]  # which version it begins at is chance
        return random.Random(f"{self.seed} {purpose} {request.method} {path} {self._asked[request]}")
