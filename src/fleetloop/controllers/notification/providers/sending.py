"""What types of providers are: a function that brings a note to its service."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.http import JSON, Answer, Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import go_json

# Raises DeliveryFailed, TryAgain.
Send = Callable[[Note, Http], Awaitable[None]]


async def post_json(note: Note, http: Http, url: str, content: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Raises DeliveryFailed, TryAgain."""
    return await http.send(note.access, "POST", url, {**JSON, **(headers or {})}, go_json(content))


def bearer(note: Note) -> dict[str, str]:
    """None without a token."""
    return {"Authorization": f"Bearer {note.access.token}"} if note.access.token else {}


def address_of(note: Note) -> str:
    """Raises DeliveryFailed when there is none."""
    if not note.access.address:
        raise DeliveryFailed(f"provider '{note.provider.namespace}/{note.provider.name}' has no address")
    return note.access.address


def token_of(note: Note) -> str:
    """Raises DeliveryFailed when there is none."""
    if not note.access.token:
        raise DeliveryFailed(f"provider '{note.provider.namespace}/{note.provider.name}': the secret has no token")
    return note.access.token


def channel_of(note: Note) -> str:
    """Raises DeliveryFailed when there is none."""
    if not note.channel:
        raise DeliveryFailed(f"provider '{note.provider.namespace}/{note.provider.name}' has no channel")
    return note.channel
