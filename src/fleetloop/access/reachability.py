"""Whether a remote cluster answers. While it does not, nobody waits for it but one probe, and nobody is held up.

The first pass that finds it away pays with a few seconds; the others fail at once, until the probe says that it is back.
"""

import asyncio
from collections.abc import Awaitable, Callable

from fleetloop.kube.errors import ApiError, Unreachable

PATIENCE = 10.0  # seconds for an answer
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0


class Reachability:
    """`probe` raises Unreachable or returns; `returned` hears that the cluster answers again. `first_pause` in seconds."""

    def __init__(
        self, probe: Callable[[], Awaitable[None]], returned: Callable[[], None], first_pause: float = FIRST_PAUSE
    ) -> None:
        self._first_pause = first_pause
        self._probe = probe
        self._returned = returned
        self._away: Unreachable | None = None
        self._is_suspect = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    async def check(self) -> None:
        """Raises Unreachable, at once when it is known; what else the probe raises is no sign of absence."""
        async with self._one_at_a_time:
            if self._away:
                raise Unreachable(str(self._away))
            try:
                await self._bounded_probe()
            except Unreachable as error:
                self._away = error
                self.suspect()
                raise

    def suspect(self) -> None:
        """Somebody got no answer to a request. That alone is no absence: one slow webhook does it."""
        self._is_suspect.set()

    async def run(self) -> None:
        """Probes while it is away, more and more rarely, until cancelled."""
        pause = self._first_pause
        while True:
            await self._is_suspect.wait()
            try:
                await self._bounded_probe()
            except Unreachable as error:
                self._away = error
            except ApiError:  # it answers
                self._is_here()
            else:
                self._is_here()
            await asyncio.sleep(pause)  # an absent server gives no event to wait for
            pause = min(pause * 2, LONGEST_PAUSE) if self._away else self._first_pause

    def _is_here(self) -> None:
        self._is_suspect.clear()
        if self._away:
            self._away = None
            self._returned()

    async def _bounded_probe(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._probe()
        except TimeoutError as error:
            raise Unreachable(f"no answer within {PATIENCE:g}s") from error
