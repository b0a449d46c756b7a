"""HTTP answers of an API server: whether all of one came, and when to ask again. Sends nothing itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import aiohttp
import orjson

from fleetloop.kube.errors import ConnectionLost, NotConnected, Unreachable

LONGEST_PAUSE = 30.0  # seconds, whatever Retry-After says
PAUSES_WHEN_LOST = (0.05, 0.5)  # seconds before each further try
T = TypeVar("T")


async def again_when_lost(ask: Callable[[], Awaitable[T]]) -> T:
    """For what changes nothing, reads and dry runs: asked again when the connection broke under it. Raises what `ask` raises."""
    for pause in PAUSES_WHEN_LOST:
        try:
            return await ask()
        except ConnectionLost:
            await asyncio.sleep(pause)
    return await ask()


def pause_of(status: int, retry_after: str | None) -> float | None:
    """Seconds until the same request may be sent again, None when that is not for the client to decide.

    Both are said before anything is done; but only with a time is 503 an offer. A date instead of seconds is legal and used by
    nobody: a second then.
    """
    if status != 429 and not (status == 503 and retry_after):
        return None
    try:
        return min(max(float(retry_after or 1), 0.0), LONGEST_PAUSE)
    except ValueError:
        return 1.0


@contextlib.asynccontextmanager
async def bounded(seconds: float, method: str, path: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Unreachable(f"{method} {path}: no answer within {seconds:g}s") from error


@contextlib.contextmanager
def translated(method: str, path: str, server: str) -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientConnectorError as error:
        raise NotConnected(f"{method} {path}", server, error.os_error) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise ConnectionLost(f"{method} {path}: {error or type(error).__name__}") from error


def parsed(body: bytes, method: str, path: str) -> Any:
    """What was cut short on the way is no answer."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ConnectionLost(f"{method} {path}: the answer is no whole JSON document") from error


def decoded_or_none(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


async def whole_of(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body. `limit` in bytes, 0 for none: a server that a tenant names may send for ever. Raises Unreachable."""
    if not limit:
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        _check_length(len(body), limit)
    return bytes(body)


def _check_length(length: int, limit: int) -> None:
    if limit and length > limit:
        raise Unreachable(f"the answer is longer than {limit >> 20} MiB")


async def lines_of(content: aiohttp.StreamReader, limit: int = 0) -> AsyncIterator[bytes]:
    """Lines of any length: an event may be far larger than the reader's own line limit. `limit`: as for `whole_of`."""
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        _check_length(len(rest), limit)
        for line in lines:
            if line:
                yield line
    if rest:
        yield rest
