"""Forge and git behind a proxy, with an authority of their own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.e2e.bootstrap.place import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[str]]]:
    """A real HTTP proxy that only tunnels; gives its address and what it was asked for."""
    asked: list[str] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.split()[1].decode()
        asked.append(target)
        host, port = target.split(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))

    server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()
    except ConnectionError:
        pass
    target.close()


async def test_bs26_a_ca_file_leaves_the_proxy_in_use(place: Place) -> None:
    """BS26: a ca file leaves the proxy in use."""
    name = place.name()
    await place.forge.admin.create_repository("acme", name)
    async with proxy() as (address, asked):
        done = await place.run(*place.github(name, "--dry-run", "--token-auth"), HTTPS_PROXY=address, NO_PROXY="", no_proxy="")
    assert done.code == 0, done.errors
    assert set(asked) == {place.domain}
    assert len(asked) >= 2  # the API, and git
