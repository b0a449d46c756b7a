"""Container logs: what is shown of what was written, and following."""

import asyncio
import datetime
from pathlib import Path

import pytest

from fleetloop.local.node.kubelet import log_wish
from fleetloop.local.node.log_file import LogWish, LogWriter, read

CONTENT = b"2026-01-01T00:00:00.0Z one\n2026-01-01T00:00:01.0Z two\n2026-01-01T00:00:02.0Z \n2026-01-01T00:00:03.0Z four\n"
MOMENT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("wish", "shown"),
    [
        (LogWish(), b"one\ntwo\n\nfour\n"),
        (LogWish(tail=2), b"\nfour\n"),
        (LogWish(tail=0), b""),
        (LogWish(tail=9), b"one\ntwo\n\nfour\n"),
        (LogWish(since="2026-01-01T00:00:01"), b"two\n\nfour\n"),
        (LogWish(tail=1, timestamps=True), b"2026-01-01T00:00:03.0Z four\n"),
    ],
)
def test_what_is_shown(wish: LogWish, shown: bytes) -> None:
    assert b"".join(wish.lines(CONTENT)) == shown


def test_the_api_servers_options() -> None:
    query = {"tailLines": "5", "sinceSeconds": "60", "timestamps": "true", "limitBytes": "7"}
    assert log_wish(query, MOMENT) == LogWish(tail=5, since="2025-12-31T23:59:00.000000Z", timestamps=True, limit=7)
    assert log_wish({}, MOMENT) == LogWish()


def stream_of(*chunks: bytes) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    for chunk in chunks:
        stream.feed_data(chunk)
    stream.feed_eof()
    return stream


async def shown(path: Path, wish: LogWish, writer: LogWriter | None = None) -> bytes:
    return b"".join([block async for block in read(path, wish, writer)])


async def test_every_line_gets_its_time_and_the_last_may_lack_its_end(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "0.log", lambda: MOMENT)
    await writer.copy_from(stream_of(b"one\ntw", b"o\n\nfour"))
    await writer.close()
    assert await shown(writer.path, LogWish()) == b"one\ntwo\n\nfour\n"
    assert (await shown(writer.path, LogWish(timestamps=True))).startswith(b"2026-01-01T00:00:00.000000000Z one\n")
    assert await shown(writer.path, LogWish(limit=5)) == b"one\nt"


async def test_following_ends_with_the_container(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "0.log", lambda: MOMENT)
    await writer.copy_from(stream_of(b"one\ntwo\n"))
    following = read(writer.path, LogWish(tail=1), writer)
    limited = read(writer.path, LogWish(tail=1, limit=6), writer)
    async with asyncio.timeout(10):
        assert [await anext(following), await anext(limited)] == [b"two\n", b"two\n"]
        await writer.copy_from(stream_of(b"three\n"))
        await writer.close()
        assert [block async for block in following] == [b"three\n"]
        assert [block async for block in limited] == [b"th"]
