"""A wait for what gives no event: files and processes. For objects in a cluster there are watches."""

import asyncio
from collections.abc import Callable

POLL = 0.02


async def eventually(holds: Callable[[], bool], seconds: float) -> None:
    """Raises TimeoutError when `holds` was never true."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(POLL)
