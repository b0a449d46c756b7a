"""Serves the artifact store over plain HTTP, as every consumer expects it: GET, HEAD, ranges, listings (2.5).

No authentication and no TLS: a NetworkPolicy is the fence. Nothing outside the root is served, whatever links say.
"""

import asyncio
import html
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

_TYPES = {".gz": "application/x-gzip", ".tgz": "application/x-gzip"}
_TEXT = "text/plain; charset=utf-8"
_INDEX = "index.html"


class _Files:
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if path == _INDEX or path.endswith("/" + _INDEX):
            raise web.HTTPMovedPermanently("./")
        target = await asyncio.to_thread(self._find, path)
        if target is None:
            raise web.HTTPNotFound
        if target.is_dir():
            if path and not path.endswith("/"):
                raise web.HTTPMovedPermanently(quote(path.rpartition("/")[2]) + "/")
            listing = await asyncio.to_thread(_listing, target)
            return web.Response(text=listing, content_type="text/html", charset="utf-8")
        if path.endswith("/"):
            raise web.HTTPMovedPermanently("../" + quote(target.name))
        # a type of our own: a guessed one brings Content-Encoding, and clients would unzip what they must hash
        return web.FileResponse(target, headers={"Content-Type": _TYPES.get(target.suffix, _TEXT)})

    def _find(self, path: str) -> Path | None:
        try:
            target = (self._root / path.lstrip("/")).resolve(strict=True)
        except (OSError, ValueError):
            return None
        regular = target.is_file() or target.is_dir()
        return target if regular and target.is_relative_to(self._root) else None


def _listing(folder: Path) -> str:
    with os.scandir(folder) as found:
        names = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in found)
    links = "".join(f'<a href="{quote("./" + name)}">{html.escape(name)}</a>\n' for name in names)
    return f'<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n{links}</pre>\n'


async def _without_etag(_: web.Request, response: web.StreamResponse) -> None:
    """The library makes one for files; there is none with Flux."""
    response.headers.pop("ETag", None)


@asynccontextmanager
async def artifact_server(root: Path, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    """Serves `root` while the context lasts and gives the address bound; port 0 picks one. Raises OSError."""
    app = web.Application()
    app.router.add_get("/{path:.*}", _Files(root).answer)
    app.on_response_prepare.append(_without_etag)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host or None, port).start()
        bound = runner.addresses[0]
        yield bound[0], bound[1]
    finally:
        await runner.cleanup()
