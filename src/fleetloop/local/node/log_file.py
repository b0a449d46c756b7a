"""The output of one run of a container: lines with the time they came, as `kubectl logs` wants them.

Each line in the file is `<RFC 3339, nanoseconds> <text>`. A file over its limit starts again, and the older half goes.
"""

import asyncio
import datetime
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

LIMIT = 10 << 20
LONGEST_LINE = 256 << 10
CHUNK = 64 << 10


class LogWriter:
    """Writes one container's output and wakes those who follow it. Page cache writes: quick enough for the loop."""

    def __init__(self, path: Path, clock: Callable[[], datetime.datetime]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self.ended = False
        self._file = path.open("wb")
        self._clock = clock
        self._grown = asyncio.Condition()

    async def copy_from(self, stream: asyncio.StreamReader) -> None:
        """Until the stream ends."""
        rest = b""
        while chunk := await stream.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            await self._write(lines)
        await self._write([rest] if rest else [])

    async def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        stamp = self._clock().astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z").encode()
        if self._file.tell() > LIMIT:
            self._file.close()
            self.path.replace(self.path.with_suffix(".old"))
            self._file = self.path.open("wb")
        self._file.write(b"".join(b"%b %b\n" % (stamp, line) for line in lines))
        self._file.flush()
        async with self._grown:
            self._grown.notify_all()

    async def close(self) -> None:
        self.ended = True
        self._file.close()
        async with self._grown:
            self._grown.notify_all()

    async def wait_for_more(self, size: int) -> bool:
        """Until there is more than `size` bytes, or another file; False once nothing more will come."""
        async with self._grown:
            await self._grown.wait_for(lambda: self.ended or self._size() != size)
        return not self.ended or self._size() > size

    def _size(self) -> int:
        return self.path.stat().st_size


@dataclass(frozen=True, slots=True)
class LogWish:
    """What to show. `tail`: only so many last lines (-1: all); `since`: only later ones; `limit`: bytes (-1: all)."""

    tail: int = -1
    since: str = ""
    timestamps: bool = False
    limit: int = -1

    def lines(self, content: bytes) -> list[bytes]:
        """The wished lines of a log's content, each with its line end."""
        lines = [line for line in content.splitlines(keepends=True) if line.partition(b" ")[0] >= self.since.encode()]
        if self.tail >= 0:
            lines = lines[len(lines) - min(self.tail, len(lines)) :]
        return lines if self.timestamps else [line.partition(b" ")[2] for line in lines]


async def read(path: Path, wish: LogWish, writer: LogWriter | None) -> AsyncIterator[bytes]:
    """The wished part of the log; with a writer, whatever it adds, too, until it ends."""
    left = wish.limit if wish.limit >= 0 else sys.maxsize
    async for content, is_first in _contents(path, writer):
        lines = wish.lines(content) if is_first else LogWish(timestamps=wish.timestamps).lines(content)
        block = b"".join(lines)[:left]
        left -= len(block)
        yield block
        if not left:
            return


async def _contents(path: Path, writer: LogWriter | None) -> AsyncIterator[tuple[bytes, bool]]:
    content, position = await asyncio.to_thread(_content_after, path, 0)
    yield content, True
    while writer is not None and await writer.wait_for_more(position):
        content, position = await asyncio.to_thread(_content_after, path, position)
        yield content, False


def _content_after(path: Path, position: int) -> tuple[bytes, int]:
    """What comes after `position`, and where that ends; all of a file that was started again meanwhile."""
    with path.open("rb") as file:
        if path.stat().st_size >= position:
            file.seek(position)
        return file.read(), file.tell()
