"""The one comment that an object has on a change request: found again by a hidden marker, and by who wrote it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.providers.chats import markdown

SEARCHED = 100  # comments


@dataclass(frozen=True, slots=True)
class Comment:
    id: int
    author: str
    body: str


def change_request(note: Note) -> int:
    """Its number. Raises DeliveryFailed."""
    text = note.event.metadata.get("change_request", "")
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise DeliveryFailed(f"the metadata change_request is no number: '{text[:100]}'")
    return int(text)


def marked(note: Note, key: str) -> str:
    return f"{_marker(note, key)}\n{markdown(note)}"


def own_comment(note: Note, comments: Iterable[Comment], me: str, key: str) -> Comment | None:
    """`me` empty: whoever wrote it."""
    marker = _marker(note, key)
    return next((c for c in list(comments)[:SEARCHED] if marker in c.body and me in ("", c.author)), None)


def _marker(note: Note, key: str) -> str:
    about = note.event.involved_object
    return f"<!-- {key}:{note.provider.metadata.uid}/{about.kind}/{about.namespace}/{about.name} -->"
