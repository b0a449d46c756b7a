"""Slack, and what speaks its language: Discord, Rocket.Chat."""

from typing import Any
from urllib.parse import urlsplit

from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import object_label
from fleetloop.controllers.notification.providers.sending import address_of, bearer, post_json

_API = "https://slack.com/api/chat.postMessage"


async def send(note: Note, http: Http) -> None:
    """The API answers 200 to what it refuses."""
    url, label = address_of(note), object_label(note.event)
    message = _message(note, note.channel, ("good", "danger"), f"{label}: {note.event.message}")
    answer = await post_json(note, http, url, message, bearer(note))
    if url == _API:
        said = answer.json()
        if not isinstance(said, dict) or not said.get("ok"):
            reason = said.get("error") if isinstance(said, dict) else ""
            raise DeliveryFailed(f"Slack responded with error: {reason or 'no JSON'}")


async def send_discord(note: Note, http: Http) -> None:
    url = address_of(note)
    if not urlsplit(url).path.endswith("/slack"):
        url = url.rstrip("/") + "/slack"
    await post_json(note, http, url, _message(note, "", ("good", "danger"), ""))


async def send_rocket(note: Note, http: Http) -> None:
    await post_json(note, http, address_of(note), _message(note, note.channel, ("#0076D7", "#FF0000"), ""))


def _message(note: Note, channel: str, colors: tuple[str, str], fallback: str) -> dict[str, Any]:
    event = note.event
    fields = [{"title": key, "value": value, "short": False} for key, value in sorted(event.metadata.items())]
    attachment: dict[str, Any] = {
        "fallback": fallback,
        "color": colors[note.is_error],
        "author_name": object_label(event),
        "text": event.message,
        "mrkdwn_in": ["text"],
        "fields": fields,
    }
    return {
        "channel": channel,
        "username": note.sender,
        "icon_url": "",
        "icon_emoji": "",
        "attachments": [attachment],
    }
