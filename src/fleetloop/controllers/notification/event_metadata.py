"""HN13: what becomes of an event's metadata on its way to a receiver. Pure. Flux: helm-notification-image.md 3.2.

Keys arrive under the object's API group (the controller's) or under the users' prefix; receivers see bare keys.
"""

from collections.abc import Mapping, Sequence

from fleetloop.api.event import Event
from fleetloop.api.names import EVENT_GROUP
from fleetloop.kube.objects import group_of

USERS = f"{EVENT_GROUP}/"
COMMIT, CHANGE_REQUEST = f"{USERS}commit", f"{USERS}change_request"
_HIDDEN = ("checksum", "digest")


def group_prefix(event: Event) -> str:
    """`kustomize.toolkit.fluxcd.io/`."""
    return f"{group_of(event.involved_object.api_version)}/"


def cleaned(event: Event) -> dict[str, str]:
    """Without what is of no group that counts, and without digests: they change where nothing else does."""
    own = group_prefix(event)
    hidden = {own + key for key in _HIDDEN}
    return {key: value for key, value in event.metadata.items() if key.startswith((own, USERS)) and key not in hidden}


def without_token(event: Event, metadata: Mapping[str, str]) -> dict[str, str]:
    """The token tells equal events apart, and is nothing to read."""
    return {key: value for key, value in metadata.items() if key != group_prefix(event) + "token"}


def merged(event: Event, alert_metadata: Mapping[str, str], summary: str) -> tuple[dict[str, str], Sequence[str]]:
    """Bare keys, those of the controller over the alert's summary over its metadata over the object's annotations; and the keys
    that were given more than once."""
    own = group_prefix(event)
    layers = (
        {key.removeprefix(USERS): value for key, value in event.metadata.items() if key.startswith(USERS)},
        dict(alert_metadata),
        {"summary": summary} if summary else {},
        {key.removeprefix(own): value for key, value in event.metadata.items() if key.startswith(own)},
    )
    result: dict[str, str] = {}
    conflicts: list[str] = []
    for layer in layers:
        conflicts += sorted(result.keys() & layer.keys())
        result |= layer
    return result, conflicts
