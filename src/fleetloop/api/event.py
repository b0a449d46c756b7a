"""The event that a controller posts to the notification controller, as it goes over the wire."""

import datetime

import msgspec

from .meta import Value
from .schema import Time

LONGEST_MESSAGE = 39_000  # characters


class InvolvedObject(Value):
    """The object an event is about."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Event(Value):
    """One fact about one object. Metadata keys are `<api group>/<key>`.

    Ours have `severity` info or error; others may post less than a whole event, and what they like.
    """

    involved_object: InvolvedObject = InvolvedObject()
    severity: str = ""
    timestamp: Time = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    message: str = ""
    reason: str = ""
    reporting_controller: str = ""
    reporting_instance: str = ""
    metadata: dict[str, str] = {}


def event_of(body: bytes) -> Event:
    """Null is as good as nothing. Raises msgspec.ValidationError, which names the field, or msgspec.DecodeError without JSON."""
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw] | None) or {}
    return msgspec.json.decode(msgspec.json.encode({k: v for k, v in fields.items() if bytes(v) != b"null"}), type=Event)
