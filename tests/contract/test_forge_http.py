"""HTTP to a forge: where credentials go, and what becomes of answers nobody expects."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from fleetloop.forge import ForgeDenied, ForgeHttp, ForgeRefused, ForgeUnreachable
from fleetloop.forge.http import ANSWER_LIMIT


class Servers:
    """A forge, and somebody else whom its redirects name; `heard` keeps what reached either."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.forge = TestServer(self._application("forge"), host="127.0.0.1")
        self.other = TestServer(self._application("other"), host="127.0.0.1")

    def _application(self, name: str) -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            self.heard.append((name, request.headers.get("Authorization", "")))
            match request.path:
                case "/away":
                    raise web.HTTPMovedPermanently(str(self.other.make_url("/here")))
                case "/around":
                    raise web.HTTPTemporaryRedirect("/around")
                case "/renamed":
                    raise web.HTTPMovedPermanently("/here")
                case "/huge":
                    return web.Response(body=b"x" * (ANSWER_LIMIT + 1))
                case "/page":
                    return web.Response(status=502, text="<html>bad gateway</html>")
                case "/limited":
                    return web.json_response({"message": "API rate limit exceeded"}, status=403)
            return web.json_response({"path": request.path, "method": request.method})

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        return application


@pytest_asyncio.fixture
async def servers() -> AsyncIterator[Servers]:
    made = Servers()
    async with made.forge, made.other:
        yield made


@pytest_asyncio.fixture
async def http(servers: Servers) -> AsyncIterator[ForgeHttp]:
    async with ForgeHttp.open(str(servers.forge.make_url("/")), "Bearer secret") as opened:
        yield opened


async def test_the_token_does_not_follow_to_another_host(servers: Servers, http: ForgeHttp) -> None:
    with pytest.raises(ForgeUnreachable, match="redirected to another host"):
        await http.read("/away")
    assert servers.heard == [("forge", "Bearer secret")]


async def test_a_renamed_repository_is_followed_with_method_and_body(servers: Servers, http: ForgeHttp) -> None:
    assert (await http.write("POST", "/renamed", {"a": 1})).body == {"path": "/here", "method": "POST"}
    with pytest.raises(ForgeUnreachable, match="too many redirects"):
        await http.read("/around")


async def test_answers_without_end_and_without_json(http: ForgeHttp) -> None:
    with pytest.raises(ForgeUnreachable, match="the answer is longer than"):
        await http.read("/huge")
    with pytest.raises(ForgeRefused, match="502 <html>bad gateway</html>"):
        (await http.read("/page")).raise_for_status()


async def test_a_denial_repeats_the_forges_words(http: ForgeHttp) -> None:
    with pytest.raises(ForgeDenied) as denied:
        (await http.read("/limited")).raise_for_status()
    assert str(denied.value).count("API rate limit exceeded") == 2
