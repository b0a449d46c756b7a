"""notification-controller: COUNT events through fifty alerts to a receiver in this process, each told apart from every other."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import msgspec
from aiohttp import web

from bench.applications import KUSTOMIZE_API, NAMESPACE
from bench.phases import PATIENCE, Phase, at_once, measured, timed_floor, until_quiet
from bench.place import ControllerProcess, Place, served
from bench.report import Section
from fleetloop.api import names
from fleetloop.kube import Manifest

NOTIFICATION_API = "notification.toolkit.fluxcd.io/v1beta3"
ALERTS = 50
AT_A_TIME = 64
STRAGGLERS = 60.0  # seconds in which what is late may still come
ACCEPTED = 202
Post = Callable[[Manifest], Awaitable[int]]


@dataclass(slots=True)
class Inbox:
    """`arrived`: message -> when it came; `repeated`: those that came once more."""

    url: str = ""
    wanted: int = 0
    arrived: dict[str, float] = field(default_factory=dict)
    repeated: int = 0
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def expect(self, count: int) -> None:
        """From now on `count` others."""
        self.wanted, self.repeated = count, 0
        self.arrived.clear()
        self.complete.clear()

    async def take(self, request: web.Request) -> web.Response:
        message = msgspec.json.decode(await request.read())["message"]
        self.repeated += message in self.arrived
        self.arrived.setdefault(message, time.monotonic())
        if len(self.arrived) == self.wanted:
            self.complete.set()
        return web.Response()


async def measure(place: Place, section: Section, count: int) -> None:
    async with _inbox() as inbox, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_A_TIME)) as http:
        await place.kube.apply(_object("Provider", "inbox", {"type": "generic", "address": inbox.url}))
        for number in range(ALERTS):
            await place.kube.apply(_alert(number))
        async with place.controller(names.NOTIFICATION_CONTROLLER) as controller:
            url = f"http://{controller.address}:9090/"
            await _until_serving(http, url, inbox)
            phase = section.add(await _delivered(place, controller, inbox, lambda event: _post(http, url, event), count))
        section.figures["lost"] = count - len(inbox.arrived)
        section.figures["given more than once"] = inbox.repeated
        section.figures["events a second"] = len(inbox.arrived) / phase.seconds
        posts = [_post(http, inbox.url, _event(number, f"bare {number}")) for number in range(count)]
        phase.floor = await timed_floor(place, "bare posts", posts)
        section.floors.append(phase.floor)


async def _delivered(place: Place, controller: ControllerProcess, inbox: Inbox, post: Post, count: int) -> Phase:
    """From the first event posted until the last has come. Latencies: from an event's acceptance to its arrival."""
    accepted: dict[str, float] = {}

    async def tell(number: int) -> None:
        event = _event(number, f"event {number}")
        if await post(event) == ACCEPTED:
            accepted[event["message"]] = time.monotonic()

    inbox.expect(count)
    async with measured("delivered", count, place, controller) as phase:
        started = time.monotonic()
        await at_once([tell(number) for number in range(count)])
        with contextlib.suppress(TimeoutError):  # then some are lost, which is a figure
            async with asyncio.timeout(STRAGGLERS):
                await inbox.complete.wait()
        phase.seconds = max(inbox.arrived.values()) - started
        await until_quiet(place)
    phase.latencies = [max(0.0, at - accepted[message]) for message, at in inbox.arrived.items() if message in accepted]
    return phase


async def _until_serving(http: aiohttp.ClientSession, url: str, inbox: Inbox) -> None:
    """Its servers come a moment after it is ready, when it leads."""
    inbox.expect(1)
    async with asyncio.timeout(PATIENCE):
        while not inbox.complete.is_set():
            with contextlib.suppress(aiohttp.ClientError):
                await _post(http, url, _event(0, "is anybody there?"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await inbox.complete.wait()


async def _post(http: aiohttp.ClientSession, url: str, event: Manifest) -> int:
    async with http.post(url, json=event) as answer:
        return answer.status


@contextlib.asynccontextmanager
async def _inbox() -> AsyncIterator[Inbox]:
    found = Inbox()
    app = web.Application()
    app.router.add_post("/", found.take)
    async with served(app) as address:
        found.url = f"http://{address}/"
        yield found


def _event(number: int, message: str) -> Manifest:
    """As kustomize-controller posts it."""
    about = {"apiVersion": KUSTOMIZE_API, "kind": "Kustomization", "name": _app(number), "namespace": NAMESPACE}
    return {
        "involvedObject": about | {"uid": "11111111-2222-3333-4444-555555555555"},
        "severity": "info",
        "timestamp": "2026-01-01T00:00:00Z",
        "message": message,
        "reason": "ReconciliationSucceeded",
        "metadata": {"kustomize.toolkit.fluxcd.io/revision": "main@sha1:abc"},
        "reportingController": names.KUSTOMIZE_CONTROLLER,
    }


def _app(number: int) -> str:
    return f"app-{number % ALERTS:02}"


def _alert(number: int) -> Manifest:
    sources = [{"kind": "Kustomization", "name": _app(number)}]
    spec = {"providerRef": {"name": "inbox"}, "eventSeverity": "info", "eventSources": sources}
    return _object("Alert", f"alert-{number:02}", spec)


def _object(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": NOTIFICATION_API, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
