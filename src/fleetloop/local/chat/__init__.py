"""A chat room: takes what incoming webhooks of Slack take, keeps the newest messages in memory, and shows them as a page.

POST /hook/…                 a message: {"username": …, "attachments": [{"author_name": …, "text": …, "color": …, "fields": […]}]}
GET  /                       the page, newest first
GET  /messages?after=N       {"messages": […], "last": M}: what came after the Nth; waits a while for it
"""

import asyncio
import contextlib
import datetime
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import jinja2
import msgspec
from aiohttp import web

KEPT = 500  # messages
LARGEST = 1 << 20  # bytes
PATIENCE = 25.0  # seconds that a question for messages may stay open
SAFETY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
TEMPLATES = jinja2.Environment(loader=jinja2.PackageLoader("fleetloop.local.chat", ""), autoescape=True)


class Field(msgspec.Struct):
    title: str = ""
    value: str = ""


class Attachment(msgspec.Struct):
    """Slack's; other fields do not matter here."""

    author_name: str = ""
    text: str = ""
    color: str = ""
    fields: list[Field] = []


class Post(msgspec.Struct):
    channel: str = ""
    username: str = ""
    text: str = ""
    attachments: list[Attachment] = []


class Message(msgspec.Struct):
    """`number` counts from 1, and goes on when old messages are dropped."""

    number: int
    at: str
    post: Post


class Chat:
    """One room for all channels."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=KEPT)
        self._last = 0
        self._arrived = asyncio.Condition()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=LARGEST)
        application.add_routes(
            [web.post("/hook/{room:.*}", self._take), web.get("/", self._page), web.get("/messages", self._list)]
        )
        return application

    async def _take(self, request: web.Request) -> web.Response:
        try:
            post = msgspec.json.decode(await request.read(), type=Post)
        except msgspec.DecodeError as error:
            return web.Response(status=400, text=f"invalid_payload: {error}\n")
        async with self._arrived:
            self._last += 1
            now = datetime.datetime.now(datetime.UTC)
            self._messages.append(Message(self._last, now.isoformat(timespec="seconds"), post))
            self._arrived.notify_all()
        return web.Response(text="ok")

    async def _list(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not after.isdecimal():
            return web.Response(status=400, text="after must be a number\n")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE), self._arrived:
                await self._arrived.wait_for(lambda: self._last > int(after))
        found: dict[str, Any] = {"messages": [one for one in self._messages if one.number > int(after)], "last": self._last}
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")

    async def _page(self, request: web.Request) -> web.Response:
        text = TEMPLATES.get_template("page.html").render(messages=reversed(self._messages))
        return web.Response(text=text, content_type="text/html", headers=SAFETY)


@contextlib.asynccontextmanager
async def chat_on(address: str, port: int) -> AsyncIterator[str]:
    """The room's address while it is open. Raises OSError when the port is taken."""
    runner = web.AppRunner(Chat().application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        host, bound = runner.addresses[0][:2]
        yield f"http://{host}:{bound}"
    finally:
        await runner.cleanup()
