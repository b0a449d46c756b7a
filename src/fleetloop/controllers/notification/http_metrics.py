"""How the two servers fare, in the families of Flux. Flux: helm-notification-image.md 1.6."""

import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BYTES = (100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def measured(registry: CollectorRegistry, name: str, path: str, *, whole_path: bool) -> Middleware:
    """`name`: gotk_event or gotk_receiver. The label `handler` is `path` unless `whole_path`, which anybody can fill."""
    labels = ("service", "handler", "method", "code")
    text = "The latency of the HTTP requests."
    duration = Histogram(f"{name}_http_request_duration_seconds", text, labels, buckets=_SECONDS, registry=registry)
    text = "The size of the HTTP responses."
    size = Histogram(f"{name}_http_response_size_bytes", text, labels, buckets=_BYTES, registry=registry)
    text = "The number of inflight requests being handled at the same time."
    inflight = Gauge(f"{name}_http_requests_inflight", text, ("service", "handler"), registry=registry)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        where, method = request.path if whole_path else path, _method(request.method)
        started, code, length = time.monotonic(), "500", 0
        inflight.labels("", where).inc()
        try:
            response = await handler(request)
            code = str(response.status)
            length = (response.content_length or 0) if isinstance(response, web.Response) else 0
            return response
        except web.HTTPException as answer:
            code = str(answer.status)
            raise
        finally:
            inflight.labels("", where).dec()
            values = ("", where, method, code)
            duration.labels(*values).observe(time.monotonic() - started)
            size.labels(*values).observe(length)

    return middleware


def _method(name: str) -> str:
    """Anybody can send any word."""
    return name if name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS") else "OTHER"
