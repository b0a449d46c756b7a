"""Chats that take a text: Webex, Telegram, Matrix, Lark, Zulip."""

import hashlib
import re
from urllib.parse import urlencode

import aiohttp

from fleetloop.api.event import Event
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.http import JSON, Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import event_json, go_json, object_label
from fleetloop.controllers.notification.providers.sending import Send, address_of, bearer, channel_of, post_json, token_of

TELEGRAM = "https://api.telegram.org"
_MARKDOWN_V2 = re.compile(r"([_*\[\]()~`>#+\-=|{}.!\\])")


async def send_webex(note: Note, http: Http) -> None:
    event = note.event
    text = f"{'💣' if note.is_error else '✅'} **{object_label(event)}**\n{event.message}\n" + _lines(event, ">**", "**: ")
    content = {"roomId": channel_of(note), "markdown": text}
    await post_json(note, http, address_of(note), content, bearer(note))


def telegram_at(base: str) -> Send:
    """A Provider's address counts for nothing: the token is a part of the URL."""

    async def send(note: Note, http: Http) -> None:
        await http.send(note.access, "POST", f"{base}/bot{token_of(note)}/sendMessage", JSON, telegram_message(note))

    return send


def telegram_message(note: Note) -> bytes:
    """`channel`: a chat, or `chat:thread`."""
    chat, _, thread = channel_of(note).partition(":")
    event = note.event
    metadata = "".join(f"\n\\- *{_escaped(key)}*: {_escaped(value)}" for key, value in sorted(event.metadata.items()))
    text = f"{_emoji(note)} *{_escaped(object_label(event))}*\n{_escaped(event.message)}{metadata}"
    content: dict[str, str] = {"chat_id": chat}
    if thread:
        content["message_thread_id"] = thread
    return go_json({**content, "text": text, "parse_mode": "MarkdownV2"})


async def send_matrix(note: Note, http: Http) -> None:
    """The same event has the same transaction, so that a server shows a repeated one once."""
    event = note.event
    transaction = hashlib.sha1(event_json(event), usedforsecurity=False).hexdigest()
    room = channel_of(note)
    url = f"{address_of(note).rstrip('/')}/_matrix/client/r0/rooms/{room}/send/m.room.message/{transaction}"
    text = f"{_emoji(note)} {object_label(event)}\n{event.message}\n" + _lines(event, "- ", ": ")
    await http.send(note.access, "PUT", url, {**JSON, **bearer(note)}, go_json({"body": text, "msgtype": "m.text"}))


async def send_lark(note: Note, http: Http) -> None:
    event = note.event
    title = {"tag": "plain_text", "content": f"{_emoji(note)} {object_label(event)}"}
    text = f"**{event.message}**\n\n" + _lines(event, "", ": ")
    card = {
        "config": {"wide_screen_mode": True},
        "header": {"title": title, "template": "red" if note.is_error else "turquoise"},
        "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": text}}],
    }
    await post_json(note, http, address_of(note), {"msg_type": "interactive", "card": card})


async def send_zulip(note: Note, http: Http) -> None:
    stream, slash, topic = channel_of(note).partition("/")
    if not slash:
        raise DeliveryFailed("spec.channel must be <stream>/<topic>")
    access = note.access
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if access.username:
        headers["Authorization"] = aiohttp.encode_basic_auth(access.username, access.password)
    form = {"content": markdown(note), "to": stream, "topic": topic, "type": "stream"}
    await http.send(access, "POST", address_of(note).rstrip("/") + "/api/v1/messages", headers, urlencode(form).encode())


def markdown(note: Note) -> str:
    """A page of its own: also what comments on change requests say."""
    event, about = note.event, note.event.involved_object
    text = f"## Flux Status\n\n{'⚠️' if note.is_error else 'ℹ️'} {about.kind}/{about.namespace}/{about.name}\n\n{event.message}\n"
    return text + ("\nMetadata:\n" + _lines(event, "* `", "`: ") if event.metadata else "")


def _lines(event: Event, before: str, between: str) -> str:
    return "".join(f"{before}{key}{between}{value}\n" for key, value in sorted(event.metadata.items()))


def _emoji(note: Note) -> str:
    return "🚨" if note.is_error else "💫"


def _escaped(text: str) -> str:
    return _MARKDOWN_V2.sub(r"\\\1", text)
