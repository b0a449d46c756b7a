"""`Relay`: a TCP address that leads to another one, and can be cut, restored, or made to swallow everything."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Relay:
    """Listens on 127.0.0.1. `cut` refuses and ends connections, `swallow` takes them and answers nothing."""

    host: str
    port: int
    own_port: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _silent: bool = False

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.own_port}"

    @property
    def connections(self) -> int:
        return len(self._open)

    async def restore(self) -> None:
        self._silent = False
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.own_port)
            self.own_port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        self._end_all()

    def swallow(self) -> None:
        self._silent = True
        self._end_all()

    def _end_all(self) -> None:
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._silent:
                await reader.read()
                return
            out_reader, out_writer = await asyncio.open_connection(self.host, self.port)
            self._open.add(out_writer)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_copy(reader, out_writer))
                    group.create_task(_copy(out_reader, writer))
            finally:
                self._open.discard(out_writer)
                out_writer.close()
        finally:
            self._open.discard(writer)
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def relay_to(host: str, port: int) -> AsyncIterator[Relay]:
    relay = Relay(host, port)
    await relay.restore()
    try:
        yield relay
    finally:
        await relay.cut()
