"""Where the world calls: a path nobody can guess, a bounded body, a verified caller, and only then anything else.

Flux: helm-notification-image.md 3.6.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from aiohttp import web
from aiohttp.typedefs import Middleware

from fleetloop.api.notification import Receiver
from fleetloop.controllers.notification.oidc import Oidc
from fleetloop.controllers.notification.receiver import OIDC, TokenNotFound, read_secret
from fleetloop.controllers.notification.targets import Targets
from fleetloop.controllers.notification.verification import Call, Verified, verify
from fleetloop.controllers.notification.verification_errors import Unverified
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.runtime.log import logger

LARGEST_BODY = 3 << 20  # bytes
READ_TIMEOUT = 30.0  # seconds
AT_ONCE = 64  # calls whose body is in memory


class FindReceivers(Protocol):
    def __call__(self, path: str) -> Iterable[Receiver]: ...


@dataclass(frozen=True, slots=True)
class Webhooks:
    """`find` gives Receivers by status.webhookPath."""

    kube: Kube
    find: FindReceivers
    oidc: Oidc
    targets: Targets
    slots: asyncio.Semaphore

    async def handle(self, request: web.Request) -> web.Response:
        """HN15: the path is the whole URI, as it came."""
        receivers = list(self.find(request.raw_path))
        if not receivers:
            return web.Response(status=404)
        async with self.slots:
            try:
                async with asyncio.timeout(READ_TIMEOUT):
                    body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                return web.Response(status=413)
            except TimeoutError:
                return web.Response(status=408)
            return web.Response(status=await self._answer(receivers[0], Call(request.headers, body)))

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
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[metrics])
    app.router.add_route("*", "/{path:.*}", webhooks.handle)
    return app


def _filters(receiver: Receiver) -> list[str]:
    spec = receiver.spec
    return [text for text in (spec.resource_filter, *(resource.filter for resource in spec.resources)) if text]


def _content(call: Call, verified: Verified, is_asked: bool) -> Any:
    """What filters see of the request: JSON that says it is, else nothing. Raises ValueError."""
    kind = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return orjson.loads(verified.body) if is_asked and kind == "application/json" else {}
