"""Who wrote to an object we own, and how fast it is repaired. Pure but for the clock it is given.

A foreign write is repaired at once; a second writer that keeps at it is met with growing pauses, so that two managers do not
turn a disagreement into load.
"""

from dataclasses import dataclass, field

from fleetloop.kube.live import LiveObject

QUIET = 60.0  # seconds after which a fight counts as over
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


def is_foreign_write(old: LiveObject | None, new: LiveObject | None, manager: str) -> bool:
    """Gone, or written by somebody else since the version before. Our own writes and status are none."""
    if new is None:
        return True
    if old is None or old.version == new.version:
        return False
    return any(not writer.startswith(f"{manager}@") for writer in new.writers - old.writers)


@dataclass(slots=True)
class Damper:
    """One for each owner: how long to pause before its next repair."""

    last: float = field(default=float("-inf"))
    pause: float = 0.0

    def next_pause(self, now: float) -> float:
        """Seconds; none for the first foreign write in a while, then doubling."""
        if now - self.last > QUIET:
            self.pause = 0.0
        else:
            self.pause = min(max(FIRST_PAUSE, self.pause * 2), LONGEST_PAUSE)
        self.last = now
        return self.pause
