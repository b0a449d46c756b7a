"""Proxies of the two kinds that exist, which write down where they were asked to go and by whom."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class ProxyServer:
    """`address`: scheme://127.0.0.1:port. `targets`: host:port of each connection that was let through."""

    address: str = ""
    username: str = ""
    password: str = ""
    targets: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)  # of requests, as far as the proxy can read them
    refused: int = 0
    names: dict[str, str] = field(default_factory=dict)  # host or host:port that only the proxy can resolve

    def resolve(self, place: str) -> tuple[str, int]:
        host, _, port = self.names.get(place, place).partition(":")
        return self.names.get(host, host), int(port or 80)


@asynccontextmanager
async def http_proxy(username: str = "", password: str = "") -> AsyncIterator[ProxyServer]:
    """CONNECT, and plain requests by absolute URL."""
    proxy = ProxyServer(username=username, password=password)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wanted = b"Proxy-Authorization: Basic " + base64.b64encode(f"{username}:{password}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        while username and wanted not in head:
            proxy.refused += 1
            writer.write(
                b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="p"\r\nContent-Length: 0\r\n\r\n'
            )
            head = await reader.readuntil(b"\r\n\r\n")
        proxy.heads.append(head)
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        if method == "CONNECT":
            place, first = target, b""
        else:
            place, _, path = target.removeprefix("http://").partition("/")
            lines = [line for line in head.split(b"\r\n")[1:] if not line.startswith(b"Proxy-")]
            first = b"\r\n".join([f"{method} /{path} HTTP/1.1".encode(), *lines])
        proxy.targets.append(place)
        await _join(reader, writer, proxy.resolve(place), b"" if first else b"HTTP/1.1 200 OK\r\n\r\n", first)

    async with _listening(proxy, "http", serve):
        yield proxy


@asynccontextmanager
async def socks5_proxy(username: str = "", password: str = "") -> AsyncIterator[ProxyServer]:
    proxy = ProxyServer(username=username, password=password)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods = await reader.readexactly((await reader.readexactly(2))[1])
        method = 2 if username else 0
        if method not in methods:
            proxy.refused += 1
            writer.write(b"\x05\xff")
            return
        writer.write(bytes([5, method]))
        if username and not await _knows(reader, writer, username, password):
            proxy.refused += 1
            return
        kind = (await reader.readexactly(4))[3]
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2), "big")
        proxy.targets.append(f"{host}:{port}")
        await _join(reader, writer, proxy.resolve(f"{host}:{port}"), b"\x05\x00\x00\x01" + bytes(6), b"")

    async with _listening(proxy, "socks5", serve):
        yield proxy


async def _knows(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, username: str, password: str) -> bool:
    await reader.readexactly(1)
    said = [await reader.readexactly((await reader.readexactly(1))[0]) for _ in range(2)]
    right = said == [username.encode(), password.encode()]
    writer.write(b"\x01\x00" if right else b"\x01\x01")
    await writer.drain()
    return right


@asynccontextmanager
async def _listening(proxy: ProxyServer, scheme: str, serve) -> AsyncIterator[None]:  # type: ignore[no-untyped-def]
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0)
    proxy.address = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield
    finally:
        server.close()


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: tuple[str, int], answer: bytes, first: bytes
) -> None:
    there, back = await asyncio.open_connection(*place)
    writer.write(answer)
    back.write(first)

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while part := await source.read(1 << 16):
                target.write(part)
                await target.drain()
            target.close()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(copy(reader, back))
        tasks.create_task(copy(there, writer))
