"""How much is done: little in CI, all of it with FLEETLOOP_NOTIFICATION=full."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """`away`: seconds for which a provider is down, at least. `kills` of the process meanwhile. `forged`: calls to webhooks."""

    events: int
    kills: int
    away: float
    forged: int


def size() -> Size:
    if os.environ.get("FLEETLOOP_NOTIFICATION") == "full":
        return Size(events=1000, kills=10, away=60.0, forged=10_000)
    return Size(events=240, kills=3, away=0.0, forged=1000)
