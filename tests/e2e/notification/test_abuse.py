"""Callers that mean no good: forged paths, replays, bodies without end, headers without end."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from fleetloop.kube import ObjectRef
from tests.e2e.notification.conftest import World, event
from tests.e2e.notification.test_webhooks import JSON, SOURCE, call, hooked, mac, requested, served  # noqa: F401

FORGED = 2000


def resident(world: World) -> int:
    """KiB."""
    assert world.controller.process
    with open(f"/proc/{world.controller.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


async def test_forged_calls_cost_little_and_do_nothing(served: World) -> None:  # noqa: F811
    app = ObjectRef(SOURCE, "GitRepository", served.namespace, "app")
    path = await hooked(served, "hook", "generic-hmac")
    before = resident(served)
    bad = {"X-Signature": f"sha256={mac(key='other')}"}
    for _ in range(FORGED // 100):
        calls = [call(served, f"/hook/{'0' * 64}", body=b"x" * 10_000) for _ in range(90)]
        calls += [call(served, path, bad, b"x" * 10_000) for _ in range(10)]
        assert set(await asyncio.gather(*calls)) == {404, 400}
    assert not await requested(served, app)
    assert resident(served) - before < 64 << 10
    body = b"{}"
    good = {**JSON, "X-Signature": f"sha256={mac(body)}"}
    assert [await call(served, path, good, body) for _ in range(3)] == [200] * 3  # a replay asks again, and no more
    assert (await served.http.get(f"http://{served.controller.address}:9440/healthz")).status == 200


async def test_a_body_without_end_is_cut(served: World) -> None:  # noqa: F811
    path = await hooked(served, "hook", "generic")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * (1 << 20)

    url = f"http://{served.controller.address}:9292{path}"
    before = resident(served)
    try:
        async with served.http.post(url, data=endless()) as response:
            assert response.status == 413
    except aiohttp.ClientError:
        pass  # the answer came while the body was still on its way
    assert resident(served) - before < 32 << 10
    assert await call(served, path) == 200


async def test_hostile_events_end_nothing(world: World) -> None:
    """What anybody in the cluster can post: odd names, huge metadata, revisions that are none."""
    await world.provider()
    await world.known(await world.alert())
    hostile = [
        event(world.namespace, "app", "x" * 100_000),
        event(world.namespace, "../../etc", "one"),
        event(world.namespace, "app", "two", metadata={f"kustomize.toolkit.fluxcd.io/k{i}": "v" for i in range(5000)}),
        event(world.namespace, "app", "three\r\nX: y", reportingController="a\r\nb: c"),
        event(world.namespace, "app", "four", timestamp="0001-01-01T00:00:00Z"),
        event("", "", "five"),
    ]
    for content in hostile:
        assert await world.post(content) == 202
    await world.post(event(world.namespace, "app", "last"))
    async with asyncio.timeout(30):
        while "last" not in [request.json()["message"] for request in world.inbox.requests]:
            await world.inbox.until(len(world.inbox.requests) + 1)
