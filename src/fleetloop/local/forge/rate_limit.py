"""Counts requests by caller and hour, as GitHub does, and says when there were too many."""

from collections.abc import Callable
from dataclasses import dataclass

WINDOW = 3600  # seconds


@dataclass(frozen=True, slots=True)
class Allowance:
    """Where a caller stands; `reset` is seconds since the epoch."""

    limit: int
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        return max(self.limit - self.used, 0)

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Used": str(self.used),
            "X-RateLimit-Reset": str(self.reset),
            "X-RateLimit-Resource": "core",
        }

    @property
    def fields(self) -> dict[str, int]:
        """Schema rate-limit."""
        return {"limit": self.limit, "remaining": self.remaining, "reset": self.reset, "used": self.used}


class RateLimit:
    """The counters of the current window. `clock` gives seconds since the epoch."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._window = 0
        self._used: dict[str, int] = {}

    def look(self, who: str) -> Allowance:
        window = int(self._clock()) // WINDOW
        if window != self._window:
            self._window = window
            self._used.clear()
        return Allowance(self.limit, self._used.get(who, 0), (window + 1) * WINDOW)

    def take(self, who: str) -> Allowance | None:
        """Count one request; None when nothing was left."""
        if self.look(who).remaining == 0:
            return None
        self._used[who] = self._used.get(who, 0) + 1
        return self.look(who)
