"""Pauses between restarts of something that keeps ending: doubling, and forgotten after a long quiet run."""

import contextlib
import time
from collections.abc import Callable, Iterator


class Backoff:
    """`first` and `most` in seconds. A run of at least `forget_after` seconds starts the series anew."""

    def __init__(
        self, first: float, most: float, forget_after: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first = first
        self._most = most
        self._forget_after = forget_after
        self._clock = clock
        self._next = first

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Around each run."""
        began = self._clock()
        yield
        if self._clock() - began >= self._forget_after:
            self._next = self._first

    def next_pause(self) -> float:
        pause = self._next
        self._next = min(self._next * 2, self._most)
        return pause
