"""What a cluster asks of a process: alive, ready, and its metrics."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from fleetloop.runtime.profiling import add_profiling

SHUTDOWN_GRACE = 5.0  # seconds
LONGEST_LINE = 8190  # bytes
IDLE = 10.0  # seconds that a connection may take for a request's head, and between requests


def probe_app() -> web.Application:
    """`/healthz` and `/readyz` answer as soon as the process serves, also per check name."""
    app = web.Application()
    for path in ("/healthz", "/readyz", "/healthz/ping", "/readyz/ping"):
        app.router.add_get(path, _ok)
    return app


def metrics_app(registry: CollectorRegistry) -> web.Application:
    """`/metrics`, and beside it what the process tells of itself."""

    async def metrics(_: web.Request) -> web.Response:
        body = await asyncio.to_thread(generate_latest, registry)
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    add_profiling(app)
    return app


@asynccontextmanager
async def serving(app: web.Application, address: tuple[str, int], longest_line: int = LONGEST_LINE) -> AsyncIterator[None]:
    """Serves on (host, port) while the body runs. Bodies are given as they come: what is packed stays so, and signatures fit.

    `longest_line`: bytes, of a request's head.
    """
    bounds: dict[str, Any] = {"shutdown_timeout": SHUTDOWN_GRACE, "keepalive_timeout": IDLE, "auto_decompress": False}
    bounds |= dict.fromkeys(("max_line_size", "max_field_size"), longest_line)
    runner = web.AppRunner(app, access_log=None, **bounds)
    await runner.setup()
    try:
        await web.TCPSite(runner, *address, reuse_address=True).start()
        yield
    finally:
        await runner.cleanup()


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")
