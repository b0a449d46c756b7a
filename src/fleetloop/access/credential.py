"""A bearer token for a remote cluster that has to be fetched, and fetched again before it expires."""

import asyncio
import time
from collections.abc import Awaitable, Callable

EARLY = 0.2  # of a token's life is left when the next one is fetched
LEAST, LONGEST = 5.0, 60.0  # seconds between two fetches that fail

Fetch = Callable[[], Awaitable[tuple[str, float]]]  # a token, and until when it is good (Unix time)


class Credential:
    """Called, it gives the token that a request carries."""

    def __init__(self, fetch: Fetch, least: float = LEAST) -> None:
        self._fetch = fetch
        self._least = least
        self._token = ""
        self._fetched_at = self._expires = float("-inf")

    def __call__(self) -> str:
        return self._token

    async def ensure(self) -> None:
        """A token that has not expired. Raises what fetching raises."""
        if time.time() >= self._expires:
            await self.renew()

    async def renew(self) -> None:
        started = time.time()
        self._token, self._expires = await self._fetch()
        self._fetched_at = started

    async def run(self, disturbed: Callable[[Exception], None], failures: tuple[type[Exception], ...]) -> None:
        """Keeps the token fresh until cancelled; `failures` of fetching are told and tried again."""
        life, pause = self._expires - self._fetched_at, self._least
        while life != float("inf"):
            await asyncio.sleep(max(self._fetched_at + life * (1 - EARLY) - time.time(), pause))
            try:
                await self.renew()
                life, pause = self._expires - self._fetched_at, self._least
            except failures as error:
                disturbed(error)
                pause = min(pause * 2, LONGEST)
