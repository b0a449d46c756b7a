"""The event that a controller posts to the notification controller, as it goes over the wire."""

from typing import Literal

import msgspec

from .meta import Value
from .schema import Time

LONGEST_MESSAGE = 39_000  # characters


class InvolvedObject(Value):
    """The object an event is about."""

    api_version: str
    kind: str
    name: str
    namespace: str
    uid: str = ""
    resource_version: str = ""


class Event(Value):
    """One fact about one object. Metadata keys are `<api group>/<key>`.

    A `trace` event becomes a Kubernetes event only; it is never posted.
    """

    involved_object: InvolvedObject
    severity: Literal["info", "error", "trace"]
    timestamp: Time
    message: str
    reason: str
    reporting_controller: str
    reporting_instance: str = ""
    metadata: dict[str, str] = {}


def event_of(body: bytes) -> Event:
    """Raises msgspec.ValidationError, which names the field, or msgspec.DecodeError when it is no JSON."""
    return msgspec.json.decode(body, type=Event)
