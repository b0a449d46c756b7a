"""Several replicas: each serves, one writes objects, another follows a killed leader. Flux: helm-notification-image.md 1.2."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio

from fleetloop.kube import ObjectRef
from tests.e2e.notification.conftest import World, event, serving
from tests.e2e.notification.test_webhooks import SOURCE, answering, call, hooked, requested, served  # noqa: F401
from tests.kit.controller import Controller
from tests.kit.waiting import eventually

LEADING = "successfully acquired lease"


@pytest_asyncio.fixture
async def flags() -> tuple[str, ...]:
    lease = ("lease-duration=4s", "renew-deadline=3s", "retry-period=1s")
    return ("--enable-leader-election", *(f"--leader-election-{flag}" for flag in lease))


@asynccontextmanager
async def replica(world: World, folder: Path, *flags: str) -> AsyncIterator[World]:
    """The world as seen at a second process, which serves and does not lead."""
    first = world.controller
    second = Controller(first.component, first.kubeconfig, folder, (*first.flags, *flags))
    await eventually(lambda: LEADING in _log(first), 30)
    await second.start()
    try:
        await serving(world.http, second.address)
        yield World(world.kube, second, world.inbox, world.namespace, world.http)
    finally:
        await second.stop()


async def test_a_replica_that_does_not_lead_takes_and_delivers_events(world: World, tmp_path: Path) -> None:
    """Also what the alert is told about its provider."""
    await world.provider()
    alert = await world.alert()
    async with replica(world, tmp_path / "second") as second:
        await second.known()
        assert await second.post(event(world.namespace, message="by the second")) == 202
        (request,) = await world.inbox.until(1)
        assert request.json()["message"] == "by the second"
        world.inbox.answers = lambda method, path: (400, {})
        assert await second.post(event(world.namespace, message="refused")) == 202
        assert "status code 400" in (await world.warning(alert, "NotificationDispatchFailed"))["message"]
        assert LEADING not in _log(second.controller)


async def test_a_replica_that_does_not_lead_answers_webhooks(served: World, tmp_path: Path) -> None:  # noqa: F811
    """A Receiver is made ready by the leader; calls go to whoever the Service picks. The second leads once the first is dead."""
    app = ObjectRef(SOURCE, "GitRepository", served.namespace, "app")
    path = await hooked(served, "hook", "generic")
    async with replica(served, tmp_path / "second") as second:
        await answering(second, path)
        assert await call(second, path) == 200
        before = await requested(served, app)
        assert before and await call(served, path) == 200
        assert await requested(served, app) != before
        assert LEADING not in _log(second.controller)
        await served.controller.kill()
        assert await call(second, await hooked(second, "late", "generic")) == 200
        assert LEADING in _log(second.controller)
        await served.controller.start()  # for its orderly end


async def test_two_processes_on_one_folder_wait_for_each_other(world: World, tmp_path: Path) -> None:
    """An update on one volume: the newer one serves when the older one has ended, and delivers what that one left."""
    folder = tmp_path / "queue"
    first, second = (
        Controller(world.controller.component, world.controller.kubeconfig, tmp_path / name, (f"--queue-path={folder}",))
        for name in ("older", "newer")
    )
    world.inbox.answers = lambda method, path: (503, {})
    await world.provider()
    await first.start()
    await serving(world.http, first.address)
    older = World(world.kube, first, world.inbox, world.namespace, world.http)
    await older.alert()
    await older.known()
    assert await older.post(event(world.namespace, message="left behind")) == 202
    await world.inbox.until(1)
    await second.start()
    await eventually(lambda: "is another process's" in _log(second), 30)
    await first.stop()
    try:
        await serving(world.http, second.address)
        tried = len(world.inbox.requests)
        world.inbox.answers = lambda method, path: None
        (*_, last) = await world.inbox.until(tried + 1)
        assert last.json()["message"] == "left behind"
    finally:
        await second.stop()


def _log(controller: Controller) -> str:
    return (controller.folder / "log").read_text()
