"""Where the world calls: a path nobody can guess, a bounded body, a verified caller, and only then anything else.

Flux: helm-notification-image.md 3.6.
"""

import asyncio
import weakref
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware

from fleetloop.api.notification import Receiver
from fleetloop.controllers.notification.bodies import body_of
from fleetloop.controllers.notification.oidc import Oidc
from fleetloop.controllers.notification.receiver import OIDC, TokenNotFound, read_secret
from fleetloop.controllers.notification.targets import Targets
from fleetloop.controllers.notification.verification import Call, Verified, verify
from fleetloop.controllers.notification.verification_errors import Unverified
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.runtime.log import logger

FIRST_LISTING = 10.0  # seconds
AT_ONCE, OF_ONE_PATH = 64, 8  # calls whose body is in memory


class FindReceivers(Protocol):
    def __call__(self, path: str) -> Iterable[Receiver]: ...


class Slots:
    """A few at once of one path, so that whoever knows one and sends slowly does not keep out the others."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(AT_ONCE)
        self._of_path: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    @asynccontextmanager
    async def taken(self, path: str) -> AsyncIterator[None]:
        own = self._of_path.setdefault(path, asyncio.Semaphore(OF_ONE_PATH))
        async with own, self._all:
            yield


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`find` gives Receivers by status.webhookPath, all of them once `known` is set."""

    kube: Kube
    known: asyncio.Event
    find: FindReceivers
    oidc: Oidc
    targets: Targets
    slots: Slots

    async def handle(self, request: web.Request) -> web.Response:
        """HN15: the path is the whole URI, as it came."""
        try:
            async with asyncio.timeout(FIRST_LISTING):
                await self.known.wait()  # a 404 to a call that comes with our start would be the end of it
        except TimeoutError:
            return web.Response(status=503)
        receivers = list(self.find(request.raw_path))
        if not receivers:
            return web.Response(status=404)
        async with self.slots.taken(request.raw_path):
            call = Call(request.headers, await body_of(request))
            return web.Response(status=await self._answer(receivers[0], call))

    async def _answer(self, receiver: Receiver, call: Call) -> int:
        log = logger().bind(receiver=f"{receiver.namespace}/{receiver.name}")
        if receiver.spec.suspend or receiver.metadata.deletion_timestamp or not receiver.status.is_true("Ready"):
            return 503
        try:
            secret = {} if receiver.spec.type == OIDC else await read_secret(self.kube, receiver)
            verified = await verify(call, receiver, secret, self.oidc)
        except (Unverified, TokenNotFound) as error:
            log.error("call to the webhook refused", error=str(error))
            return 400
        except (ApiError, Unreachable) as error:
            log.error("secret of the receiver cannot be read", error=str(error))
            return 500
        try:
            content = _content(call, verified, bool(_filters(receiver)))
        except ValueError:
            log.error("the body is no JSON, and there are filters")
            return 500
        claims = verified.claims if receiver.spec.type == OIDC else None
        problems = await self.targets.request(receiver, content, claims)
        for problem in problems:
            log.error("failed to request the reconciliation", error=problem)
        return 500 if problems else 200


def webhook_app(webhooks: Webhooks, metrics: Middleware) -> web.Application:
    """Any method."""
    app = web.Application(middlewares=[metrics])
    app.router.add_route("*", "/{path:.*}", webhooks.handle)
    return app


def _filters(receiver: Receiver) -> list[str]:
    spec = receiver.spec
    return [text for text in (spec.resource_filter, *(resource.filter for resource in spec.resources)) if text]


def _content(call: Call, verified: Verified, is_asked: bool) -> Any:
    """What filters see of the request: JSON that says it is, else nothing. Raises ValueError."""
    kind = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return orjson.loads(verified.body) if is_asked and kind == "application/json" else {}
