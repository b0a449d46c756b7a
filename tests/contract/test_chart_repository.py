"""Chart repositories that mean harm, and whose credentials stay where they belong (CVE-2021-32690)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from fleetloop.helm_index import Access, ChartNotFound, HelmRepositoryError, Index, fetch, resolved
from tests.kit.served import Handler, served

LIMIT = 1 << 20
LOGIN = Access("ada", "hunter2")


@asynccontextmanager
async def at_url(handler: Handler) -> AsyncIterator[str]:
    async with served(handler) as address:
        yield f"http://{address}"


async def test_credentials_stay_with_their_host_cve_2021_32690(tmp_path: Path) -> None:
    """Another host of the index, another port, and a redirect hear nothing, unless passCredentials says so."""
    heard: list[str] = []

    async def other(request: web.Request) -> web.StreamResponse:
        heard.append(request.headers.get("Authorization", ""))
        return web.Response(body=b"chart")

    async with at_url(other) as elsewhere, aiohttp.ClientSession() as session:

        async def own(request: web.Request) -> web.StreamResponse:
            assert "Authorization" in request.headers
            return web.Response(status=302, headers={"Location": f"{elsewhere}/moved.tgz"})

        async with at_url(own) as repository:
            await fetch(session, f"{elsewhere}/web.tgz", repository, LOGIN, tmp_path / "one", LIMIT)
            await fetch(session, f"{repository}/web.tgz", repository, LOGIN, tmp_path / "two", LIMIT)
            assert heard == ["", ""]
            passing = Access("ada", "hunter2", pass_credentials=True)
            await fetch(session, f"{elsewhere}/web.tgz", repository, passing, tmp_path / "three", LIMIT)
            assert heard[-1].startswith("Basic ")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "http://", "data:,x", "//", "http://[::1", "http://x:99999/"])
async def test_a_charts_address_that_leads_nowhere(tmp_path: Path, url: str) -> None:
    """Of an index that somebody else wrote: nothing of this machine is read."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(HelmRepositoryError) as told:
            await fetch(
                session, resolved("http://127.0.0.1:1/charts", url), "http://127.0.0.1:1/charts", LOGIN, tmp_path / "x", LIMIT
            )
    assert "hunter2" not in str(told.value)


async def test_secrets_of_an_address_are_not_shown(tmp_path: Path) -> None:
    """GHSA-v554-xwgw-hc3w: neither a password nor a signature in the query."""

    async def missing(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    async with at_url(missing) as repository, aiohttp.ClientSession() as session:
        place = repository.replace("http://", "http://ada:hunter2@") + "/web.tgz?sig=hunter2"
        with pytest.raises(HelmRepositoryError) as told:
            await fetch(session, place, repository, Access(), tmp_path / "x", LIMIT)
    assert "hunter2" not in str(told.value) and "/web.tgz" in str(told.value)


async def test_answers_without_end(tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"#" * (1 << 16))
        except ConnectionError:
            return response

    async def around(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": str(request.rel_url)})

    for handler, problem in ((endless, f"larger than the limit of {LIMIT} bytes"), (around, "more than 5 redirects")):
        async with at_url(handler) as repository, aiohttp.ClientSession() as session:
            with pytest.raises(HelmRepositoryError, match=problem):
                await fetch(session, f"{repository}/index.yaml", repository, LOGIN, tmp_path / "x", LIMIT)


@pytest.mark.parametrize(
    "entries", [b"7", b'"x"', b"null", b"[null]", b'[{"name": 7}]', b'[{"name": "web", "version": "1", "urls": "x"}]', b"[]"]
)
def test_entries_that_are_none(entries: bytes) -> None:
    index = Index(b'{"apiVersion": "v1", "entries": {"web": ' + entries + b', "good": [{"name": "good", "version": "1.0.0"}]}}')
    with pytest.raises((HelmRepositoryError, ChartNotFound)):
        index.versions("web")
    assert index.versions("good")[0].version == "1.0.0", "one bad entry does not take the others along"
