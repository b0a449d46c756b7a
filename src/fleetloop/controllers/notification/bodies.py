"""A request's body as both servers take it: whole, bounded, and in time. Flux: helm-notification-image.md 3.2, 3.6."""

import asyncio

from aiohttp import web

LARGEST = 3 << 20  # bytes
READ_TIMEOUT = 30.0  # seconds


async def body_of(request: web.Request) -> bytes:
    """Raises the answer that is due: 413, 408, or 400 to a caller who is gone. What is too large is dropped at once."""
    if (request.content_length or 0) > LARGEST:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > LARGEST:
                    body.clear()
                    raise _too_large()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="") from None
    except (ConnectionError, web.RequestPayloadError):
        raise web.HTTPBadRequest(text="") from None
    return bytes(body)


def _too_large() -> web.HTTPRequestEntityTooLarge:
    return web.HTTPRequestEntityTooLarge(max_size=LARGEST, actual_size=LARGEST, text="")
