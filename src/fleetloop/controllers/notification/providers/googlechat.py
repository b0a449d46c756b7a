"""Google Chat: cards of the first version."""

from typing import Any

from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import object_label
from fleetloop.controllers.notification.providers.sending import address_of, post_json


async def send(note: Note, http: Http) -> None:
    await post_json(note, http, address_of(note), card_of(note))


def card_of(note: Note) -> dict[str, Any]:
    event = note.event
    text = f'<font color="#ff0000">{event.message}</font>' if note.is_error else event.message
    sections: list[dict[str, Any]] = [{"header": "", "widgets": [{"textParagraph": {"text": text}, "keyValue": None}]}]
    if event.metadata:
        widgets = [_line(key, value) for key, value in sorted(event.metadata.items())]
        sections.append({"header": "", "widgets": widgets})
    header = {
        "title": object_label(event),
        "subtitle": event.reporting_controller,
        "imageUrl": None,
        "imageStyle": None,
    }
    return {"cards": [{"header": header, "sections": sections}]}


def _line(key: str, value: str) -> dict[str, Any]:
    pair = {"topLabel": key, "content": value, "contentMultiline": False, "bottomLabel": None, "icon": None}
    return {"textParagraph": None, "keyValue": pair}
