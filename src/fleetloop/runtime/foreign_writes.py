"""Who wrote to an object that a controller of ours owns, and how fast it is repaired. Pure but for the clock it is given.

A foreign write is repaired at once; a second writer that keeps at it is met with growing pauses, so that two managers do not
turn a disagreement into load, and is named.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from fleetloop.kube.live import LiveObject
from fleetloop.kube.objects import ObjectRef

QUIET = 60.0  # seconds after which a fight counts as over
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
FIGHT = 3  # writes to one object, none more than QUIET after the one before
REMEMBERED = 10_000  # objects
Place = tuple[str, ObjectRef]  # cluster, object


@dataclass(frozen=True, slots=True)
class ForeignWrite:
    """`writers`: field managers and their fields; the name is empty for one that left none."""

    ref: ObjectRef
    writers: Mapping[str, tuple[str, ...]]
    deleted: bool = False

    def __str__(self) -> str:
        if self.deleted:
            return f"{self.ref} was deleted"
        told = [f"{name or 'somebody'} ({', '.join(fields)})" if fields else name for name, fields in self.writers.items()]
        return f"{self.ref} was changed by {' and '.join(filter(None, told)) or 'somebody'}"


def foreign_write(ref: ObjectRef, old: LiveObject | None, new: LiveObject | None) -> ForeignWrite | None:
    """Gone, or one of our fields taken by somebody else since the version before. Status is nobody's, and what others add beside
    our fields is theirs."""
    if new is None:
        return ForeignWrite(ref, {}, deleted=True)
    if old is None or old.fingerprint == new.fingerprint:
        return None
    writers = new.ownership.writers_since(old.ownership)
    return ForeignWrite(ref, writers) if writers else None


@dataclass(slots=True)
class Damper:
    """One for each object: how long to pause before its next repair. `writes`: in a row."""

    last: float = field(default=float("-inf"))
    pause: float = 0.0
    writes: int = 0

    def next_pause(self, now: float) -> float:
        """Seconds; none for the first foreign write in a while, then doubling."""
        if now - self.last > QUIET + self.pause:
            self.pause, self.writes = 0.0, 0
        else:
            self.pause = min(max(FIRST_PAUSE, self.pause * 2), LONGEST_PAUSE)
        self.last = now
        self.writes += 1
        return self.pause


class Dampers:
    """Those of the objects written to last."""

    def __init__(self) -> None:
        self._dampers: OrderedDict[Place, Damper] = OrderedDict()

    def of(self, place: Place) -> Damper:
        damper = self._dampers.setdefault(place, Damper())
        self._dampers.move_to_end(place)
        if len(self._dampers) > REMEMBERED:
            self._dampers.popitem(last=False)
        return damper
