"""Microsoft Teams: adaptive cards for workflows, message cards for the old connectors."""

from typing import Any
from urllib.parse import urlsplit

from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import object_label
from fleetloop.controllers.notification.providers.sending import address_of, post_json

_CONNECTORS = ".webhook.office.com"


async def send(note: Note, http: Http) -> None:
    url = address_of(note)
    is_connector = (urlsplit(url).hostname or "").endswith(_CONNECTORS)
    await post_json(note, http, url, message_card(note) if is_connector else adaptive_card(note))


def adaptive_card(note: Note) -> dict[str, Any]:
    metadata = dict(note.event.metadata)
    first = [("summary", metadata.pop("summary"))] if "summary" in metadata else []
    facts = [{"title": key, "value": value} for key, value in [*first, *sorted(metadata.items())]]
    text: dict[str, Any] = {"type": "TextBlock", "text": note.event.message}
    if note.is_error:
        text["color"] = "attention"
    title = {"type": "TextBlock", "text": object_label(note.event), "size": "large", "weight": "bolder", "wrap": True}
    items: list[dict[str, Any]] = [title, {**text, "wrap": True}]
    if facts:
        items.append({"type": "FactSet", "facts": facts})
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "Container", "items": items}],
        "msteams": {"width": "Full"},
    }
    card = {"contentType": "application/vnd.microsoft.card.adaptive", "content": content}
    return {"type": "message", "attachments": [card]}


def message_card(note: Note) -> dict[str, Any]:
    label = object_label(note.event)
    facts = [{"name": key, "value": value} for key, value in sorted(note.event.metadata.items())]
    return {
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": "FF0000" if note.is_error else "0076D7",
        "summary": label,
        "sections": [{"activityTitle": note.event.message, "activitySubtitle": label, "facts": facts}],
    }
