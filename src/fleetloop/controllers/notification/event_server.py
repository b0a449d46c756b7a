"""Where controllers post their events: bounded, held back when they were told already, kept, and answered at once.

Flux: helm-notification-image.md 3.2. Anything in the cluster that reaches this port can forge events.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from fleetloop.api.event import Event, event_of
from fleetloop.controllers.notification.bodies import body_of
from fleetloop.controllers.notification.deduplication import Recent, key_of
from fleetloop.controllers.notification.event_metadata import cleaned, without_token
from fleetloop.controllers.notification.journal import Journal, Kept
from fleetloop.runtime.log import logger

MOST_WAITING = 20_000  # events
MOST_BYTES = 128 << 20  # of them


@dataclass(slots=True)
class Intake:
    """`accepted` gets each event that is kept; `now` in seconds since 1970."""

    journal: Journal
    recent: Recent
    accepted: Callable[[Kept], None]
    now: Callable[[], float]

    async def take(self, event: Event) -> float:
        """0.0 when it is accepted, else the seconds in which it is held back. Raises Full."""
        now, metadata = self.now(), cleaned(event)
        key = key_of(event, metadata)
        if left := self.recent.left(key, now):
            return left
        if len(self.journal) >= MOST_WAITING or self.journal.size >= MOST_BYTES:
            raise Full
        self.recent.remember(key, now)  # HN12: before anybody is asked who wants it
        fresh = msgspec.structs.replace(event, metadata=without_token(event, metadata))
        kept = Kept(key, now, msgspec.json.encode(fresh))
        try:
            await asyncio.to_thread(self.journal.add, kept)
        except OSError as error:  # delivered by this process then, or not at all
            logger().error("event not kept on disk", error=error.strerror)
        self.accepted(kept)
        return 0.0


class Full(Exception):
    """Providers are away, and more waits for them than may."""


def event_app(intake: Intake, metrics: Middleware) -> web.Application:
    """Any method and path."""

    async def handle(request: web.Request) -> web.Response:
        try:
            event = event_of(await body_of(request))
        except (msgspec.DecodeError, ValueError):
            return web.Response(status=400)
        try:
            left = await intake.take(event)
        except Full:
            logger().error("event refused, too many are waiting for their providers")
            return web.Response(status=503)
        return _held_back(left) if left else web.Response(status=202)

    app = web.Application(middlewares=[metrics])
    app.router.add_route("*", "/{path:.*}", handle)
    return app


def _held_back(seconds: float) -> web.Response:
    """Told already; the emitter does not try again."""
    reset = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))
    limits = {"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    return web.Response(status=429, headers={**limits, "Retry-After": str(math.ceil(seconds))})
