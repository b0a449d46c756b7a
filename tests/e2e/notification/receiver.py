"""`Inbox`: a server that takes whatever is sent to it, keeps it, and answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

# (method, path) -> status and JSON; None for 200 and an empty object.
Answers = Callable[[str, str], tuple[int, Any] | None]


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    def json(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Inbox:
    url: str = ""
    requests: list[Received] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    answers: Answers = lambda method, path: None

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        async with self.arrived:
            self.requests.append(Received(request.method, request.raw_path, headers, await request.read()))
            self.arrived.notify_all()
        status, content = self.answers(request.method, request.raw_path) or (200, {})
        return web.json_response(content, status=status)

    async def until(self, count: int, seconds: float = 60.0) -> list[Received]:
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests


@asynccontextmanager
async def inbox(port: int = 0) -> AsyncIterator[Inbox]:
    found = Inbox()
    app = web.Application(client_max_size=8 << 20)
    app.router.add_route("*", "/{path:.*}", found.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        host, number = runner.addresses[0][:2]
        found.url = f"http://{host}:{number}"
        yield found
    finally:
        await runner.cleanup()
