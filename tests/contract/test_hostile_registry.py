"""Our registry client against a registry that means no good: what it says is bounded, checked, and told of."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from fleetloop.oci import (
    Access,
    AuthenticationFailed,
    ContentMismatch,
    Keychain,
    Login,
    OciError,
    Registry,
    RegistryUnreachable,
    Repository,
    digest_of,
)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
MANIFEST = json.dumps({"schemaVersion": 2, "layers": []}).encode()


@dataclass
class Hostile:
    """`asked`: path and Authorization header of each request."""

    address: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def repository(self) -> Repository:
        return Repository.parse(f"{self.address}/team/app")


@asynccontextmanager
async def hostile(answer: Answer) -> AsyncIterator[Hostile]:
    found = Hostile()

    async def handle(request: web.Request) -> web.StreamResponse:
        found.asked.append((request.path_qs, request.headers.get("Authorization", "")))
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


async def test_a_page_without_end(session: aiohttp.ClientSession) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(b" " * (1 << 20))
        return response

    async with hostile(answer) as found:
        with pytest.raises(ContentMismatch, match="is larger than"):
            await Registry(session).tags(found.repository)


async def test_an_answer_that_breaks_off(session: aiohttp.ClientSession) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"tags": [')
        assert request.transport
        request.transport.close()
        return response

    async with hostile(answer) as found:
        for asked in (Registry(session).tags(found.repository), Registry(session).manifest(found.repository.tagged("a"))):
            with pytest.raises(RegistryUnreachable):
                await asked


async def test_a_slow_answer_holds_nobody_for_longer_than_the_timeout(session: aiohttp.ClientSession) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    async with hostile(answer) as found:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await Registry(session).tags(found.repository)


@pytest.mark.parametrize("digest", ["", "sha256:x", "latest", "sha256:" + "A" * 64, "sha256:" + "0" * 63, '"; rm -rf'])
async def test_a_digest_that_is_none_is_found_out(session: aiohttp.ClientSession, digest: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=MANIFEST, headers={"Docker-Content-Digest": digest})

    async with hostile(answer) as found:
        assert await Registry(session).resolve(found.repository.tagged("a")) == digest_of(MANIFEST)


LOGINS = {"a password": Login("robot", "geheim"), "an identity token": Login(token="geheim")}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("login", LOGINS)
async def test_credentials_go_to_nobody_else(session: aiohttp.ClientSession, status: int, login: str) -> None:
    """CVE-2021-32690. The registry sends us on, its token service does, and the next page is elsewhere."""
    thief_saw: list[str] = []

    async def steal(request: web.Request) -> web.Response:
        thief_saw.append(f"{dict(request.headers)} {await request.text()}")
        return web.json_response({"token": "x", "tags": ["stolen"]})

    async with hostile(steal) as thief:

        async def answer(request: web.Request) -> web.Response:
            if request.path == "/token" and request.query.get("to") == "thief":
                return web.Response(status=status, headers={"Location": f"http://{thief.address}/token"})
            if request.path == "/token":
                return web.json_response({"token": "geheim-for-this-registry"})
            if "moved" in request.path:
                return web.Response(status=status, headers={"Location": f"http://{thief.address}/v2/team/app/tags/list"})
            if not request.headers.get("Authorization"):
                to = "?to=thief" if "sent" in request.path else ""
                realm = f'Bearer realm="http://{request.host}/token{to}",service="x"'
                return web.Response(status=401, headers={"WWW-Authenticate": realm})
            return web.json_response({"tags": []}, headers={"Link": f'<http://{thief.address}/v2/>; rel="next"'})

        async with hostile(answer) as found:
            keychain = Keychain([(found.address, LOGINS[login])])
            registry = Registry(session, Access(keychain))
            with pytest.raises(OciError, match="the next page is at another host"):
                await registry.tags(found.repository)
            await registry.tags(Repository(found.address, "moved"))
            with pytest.raises(AuthenticationFailed, match=f"the token service answered with status {status}"):
                await registry.tags(Repository(found.address, "sent"))
            assert any("geheim-for-this-registry" in login for _, login in found.asked)
    assert len(thief_saw) == 1 and "geheim" not in thief_saw[0] and "Authorization" not in thief_saw[0]
