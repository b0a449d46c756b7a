"""Lists of tags from a registry that means no good: bounded, checked, and told of."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from fleetloop.oci import ContentMismatch, Registry, Repository

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Hostile:
    """`asked`: the requests."""

    address: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def repository(self) -> Repository:
        return Repository.parse(f"{self.address}/team/app")


@asynccontextmanager
async def hostile(answer: Answer) -> AsyncIterator[Hostile]:
    found = Hostile()

    async def handle(request: web.Request) -> web.StreamResponse:
        found.asked.append(request.path_qs)
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.address = f"127.0.0.1:{runner.addresses[0][1]}"
        yield found
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.mark.parametrize(
    "body",
    [b"", b"no", b"[]", b"3", b'{"tags": {"a": 1}}', b'{"tags": "latest"}', b'{"tags": 1e999}', b"[" * 100_000, b"\xff\xfe"],
)
async def test_a_list_of_tags_that_is_none(session: aiohttp.ClientSession, body: bytes) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async with hostile(answer) as found:
        with pytest.raises(ContentMismatch, match=f"tags of {found.repository}: the registry's answer is no list of tags"):
            await Registry(session).tags(found.repository)


async def test_what_is_no_tag_is_left_out(session: aiohttp.ClientSession) -> None:
    """Nobody could pull it, and it would be written to Git and into conditions."""
    odd = ["1.0\nroot: me", "../../x", "", "-rf", "a" * 129, "lаtest", "$(id)", "a b", None, 3, ["x"], {"y": 1}, "\u202e1.0"]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"tags": ["1.0.0", *odd, "_ok.1-x"]})

    async with hostile(answer) as found:
        assert await Registry(session).tags(found.repository) == ["1.0.0", "_ok.1-x"]


@pytest.mark.parametrize("tags", [1000, 0])
async def test_pages_without_end(session: aiohttp.ClientSession, tags: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        number = int(request.query.get("last", "0")) + 1
        body = {"tags": [f"{number}.{count}" for count in range(tags)]}
        link = f'</v2/team/app/tags/list?last={number}>; rel="next"'
        return web.json_response(body, headers={"Link": link})

    async with hostile(answer) as found:
        with pytest.raises(ContentMismatch, match=r"more than (200000|4000 pages)"):
            await Registry(session).tags(found.repository)
        assert len(found.asked) < 4100
