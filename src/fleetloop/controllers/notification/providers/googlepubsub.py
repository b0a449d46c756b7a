"""Google Cloud Pub/Sub: the event as a message of a topic, over its REST API."""

import base64
from urllib.parse import quote

from fleetloop.controllers.notification.http import JSON, Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import event_json, go_json
from fleetloop.controllers.notification.providers.sending import Send, address_of, channel_of, token_of

PUBSUB = "https://pubsub.googleapis.com"


def pubsub_at(base: str) -> Send:
    """`address` is the project, `channel` the topic, `headers` of the Secret are attributes; the token is an access token."""

    async def send(note: Note, http: Http) -> None:
        path = f"/v1/projects/{quote(address_of(note), safe='')}/topics/{quote(channel_of(note), safe='')}:publish"
        message: dict[str, object] = {"data": base64.b64encode(event_json(note.event)).decode()}
        if note.access.headers:
            message["attributes"] = dict(note.access.headers)
        headers = {**JSON, "Authorization": f"Bearer {token_of(note)}"}
        await http.send(note.access, "POST", base + path, headers, go_json({"messages": [message]}))

    return send
