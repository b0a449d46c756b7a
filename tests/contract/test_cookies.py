"""A server's cookies stay with nobody: one client serves all tenants, and a session that one logged in to would be another's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from fleetloop.controllers.notification.access import Access
from fleetloop.controllers.notification.http import Http
from fleetloop.runtime.service_map import http_session
from tests.kit.served import served


@asynccontextmanager
async def logging_in() -> AsyncIterator[tuple[str, list[str]]]:
    """A URL with a host's name (cookies of plain addresses are never kept), and the Cookie headers heard there."""
    heard: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        heard.append(request.headers.get("Cookie", ""))
        return web.Response(headers={"Set-Cookie": "session=alice; Path=/"})

    async with served(answer) as address:
        yield f"http://localhost:{address.rpartition(':')[2]}/", heard


async def test_the_server_would_have_its_cookie_back() -> None:
    async with logging_in() as (url, heard), aiohttp.ClientSession() as session:
        for _ in range(2):
            await (await session.get(url)).read()
    assert heard == ["", "session=alice"]


async def test_sources_keep_no_cookies() -> None:
    async with logging_in() as (url, heard), http_session(None) as session:
        for path in ("tenant-a/index.yaml", "tenant-b/index.yaml"):
            await (await session.get(url + path)).read()
    assert heard == ["", ""]


async def test_notifications_keep_no_cookies() -> None:
    async with logging_in() as (url, heard), Http.open(None) as http:
        for path in ("tenant-a", "tenant-b"):
            await http.send(Access(url), "POST", url + path, {}, b"{}")
    assert heard == ["", ""]
