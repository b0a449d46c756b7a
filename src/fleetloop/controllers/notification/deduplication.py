"""HN12: of events that say the same one counts in an interval, whoever asks for them. Flux: helm-notification-image.md 3.2."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping

from fleetloop.api.event import Event
from fleetloop.controllers.notification.event_metadata import group_prefix

_TELLING = ("originRevision", "revision", "token")
_REMEMBERED = 100_000


def key_of(event: Event, metadata: Mapping[str, str]) -> str:
    """Of the object, the message and the revision: not of reason, severity, time or any other metadata."""
    about, own = event.involved_object, group_prefix(event)
    words = [f"event/name={about.name}/namespace={about.namespace}/kind={about.kind}/message={event.message}"]
    words += [f"/{key}={metadata[own + key]}" for key in _TELLING if own + key in metadata]
    return hashlib.sha256("".join(words).encode()).hexdigest()


class Recent:
    """Keys of the last `interval` seconds, the oldest forgotten first when there are too many. Times are seconds since 1970."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._seen: OrderedDict[str, float] = OrderedDict()

    def left(self, key: str, now: float) -> float:
        """Seconds until the key counts again, 0.0 when it does now."""
        seen = self._seen.get(key)
        if seen is None or seen > now:  # a clock that was set back
            return 0.0
        return max(0.0, seen + self._interval - now)

    def remember(self, key: str, now: float) -> None:
        self._seen[key] = now
        self._seen.move_to_end(key)
        while self._seen and (len(self._seen) > _REMEMBERED or next(iter(self._seen.values())) + self._interval <= now):
            self._seen.popitem(last=False)

    def forget(self, key: str) -> None:
        self._seen.pop(key, None)

    def items(self) -> list[tuple[str, float]]:
        return list(self._seen.items())
