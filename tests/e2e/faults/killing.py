"""`Killer`: ends a process at random moments of its work, again and again, and has it started again at once."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.e2e.faults.following import Following
from tests.kit.processes import engines_of

NEXT_REVISION = 600.0  # seconds


@dataclass
class Killer:
    """Kills when it has seen a random number of changes of `kind`, or at once, while its victim starts. `quota`: how many kills
    there may have been by now, so that they are spread over the revisions."""

    following: Following
    kind: str
    kill: Callable[[], Awaitable[None]]
    dice: random.Random
    most_news: int
    quota: Callable[[], int]
    kills: int = 0

    async def run(self, wanted: int) -> None:
        while self.kills < wanted:
            await self.following.until(lambda: self.kills < self.quota(), NEXT_REVISION)
            news = 0 if self.dice.random() < 0.15 else self.dice.randint(1, self.most_news)
            target = self.following.news[self.kind] + news
            await self.following.until(lambda target=target: self.following.news[self.kind] >= target, NEXT_REVISION)  # type: ignore[misc]
            await asyncio.sleep(self.dice.random() * 0.05)  # somewhere between two writes
            await self.kill()
            self.kills += 1


async def kill_engines(following: Following, controller_pid: Callable[[], int], wanted: int, dice: random.Random) -> int:
    """Kills an engine process of the controller, any of those that run, after each few changes; gives how many died."""
    kills = 0
    while kills < wanted:
        target = following.news["Kustomization"] + dice.randint(1, 4)
        await following.until(lambda target=target: following.news["Kustomization"] >= target, NEXT_REVISION)  # type: ignore[misc]
        if engines := engines_of(controller_pid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(dice.choice(engines), signal.SIGKILL)
                kills += 1
    return kills
