"""The event itself, for programs; with a signature over its bytes for those that check one."""

import hashlib
import hmac

from fleetloop.controllers.notification.http import JSON, Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import event_json
from fleetloop.controllers.notification.providers.sending import address_of, token_of


async def send(note: Note, http: Http) -> None:
    await http.send(note.access, "POST", address_of(note), _headers(note), event_json(note.event))


async def send_signed(note: Note, http: Http) -> None:
    body = event_json(note.event)
    signature = hmac.new(token_of(note).encode(), body, hashlib.sha256).hexdigest()
    headers = _headers(note) | {"X-Signature": f"sha256={signature}"}
    await http.send(note.access, "POST", address_of(note), headers, body)


def _headers(note: Note) -> dict[str, str]:
    return {**JSON, "Gotk-Component": note.event.reporting_controller, **note.access.headers}
