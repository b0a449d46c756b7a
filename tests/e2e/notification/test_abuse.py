"""Callers that mean no good: forged paths, replays, bodies without end, headers without end."""

import asyncio
import gzip
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from fleetloop.kube import ObjectRef
from tests.e2e.notification.conftest import World, event
from tests.e2e.notification.issuer import issuer
from tests.e2e.notification.size import size
from tests.e2e.notification.test_webhooks import (  # noqa: F401
    JSON,
    SOURCE,
    TOKEN,
    bearer,
    call,
    hooked,
    mac,
    refused,
    requested,
    served,
)


@dataclass(frozen=True)
class Cost:
    """CPU seconds and KiB of the process."""

    cpu: float
    memory: int

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.cpu - other.cpu, self.memory - other.memory)


def cost(world: World) -> Cost:
    assert world.controller.process
    place = Path(f"/proc/{world.controller.process.pid}")
    times = (place / "stat").read_text().rpartition(")")[2].split()
    memory = next(int(line.split()[1]) for line in (place / "status").read_text().splitlines() if line.startswith("VmRSS"))
    return Cost((int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"), memory)


async def test_forged_calls_cost_little_and_do_nothing(served: World) -> None:  # noqa: F811
    """Paths that nobody has, signatures by another key, tokens of somebody else's issuer and for somebody else."""
    app = ObjectRef(SOURCE, "GitRepository", served.namespace, "app")
    async with issuer() as trusted, issuer() as other:
        provider = {"issuerURL": trusted.url, "validations": [{"expression": "claims.sub == 'repo:acme/app'", "message": "no"}]}
        signed = await hooked(served, "hook", "generic-hmac")
        oidc = await hooked(served, "oidc", "generic-oidc", secretRef=None, oidcProviders=[provider])
        google = await hooked(served, "gcr", "gcr")
        bad = {"X-Signature": f"sha256={mac(key='other')}"}
        tokens = refused(trusted, other)
        before = cost(served)
        for number in range(size().forged // 100):
            body, token = b"x" * 10_000, tokens[number % len(tokens)]
            calls = [call(served, f"/hook/{'0' * 64}", body=body) for _ in range(70)]
            calls += [call(served, signed, bad, body) for _ in range(15)]
            calls += [call(served, oidc, bearer(token), body) for _ in range(10)]
            calls += [call(served, google, bearer(f"{token}x"), body) for _ in range(5)]
            assert set(await asyncio.gather(*calls)) == {404, 400}
        spent = cost(served) - before
        print(f"\n{size().forged} forged calls: {spent.cpu:.1f} CPU seconds, {spent.memory} KiB more")
        assert not await requested(served, app)
        assert spent.memory < 64 << 10
        assert await call(served, oidc, bearer(trusted.token())) == 200
    assert (await served.http.get(f"http://{served.controller.address}:9440/healthz")).status == 200
    assert not [secret for secret in (TOKEN, *tokens) if secret in log_of(served)]


def log_of(world: World) -> str:
    """Every line of it is JSON."""
    text = (world.controller.folder / "log").read_text()
    assert all(isinstance(json.loads(line), dict) for line in text.splitlines())
    return text


async def test_a_replayed_delivery_asks_again_and_no_more(served: World) -> None:  # noqa: F811
    """No type's protocol has anything that tells a replay; what it comes to is one more look at the source."""
    path, body = await hooked(served, "hook", "generic-hmac"), b"{}"
    good = {**JSON, "X-Signature": f"sha256={mac(body)}"}
    before = cost(served)
    assert {await call(served, path, good, body) for _ in range(100)} == {200}
    spent = cost(served) - before
    print(f"\n100 replays: {spent.cpu:.1f} CPU seconds, {spent.memory} KiB more")
    live = await served.kube.get(ObjectRef(SOURCE, "GitRepository", served.namespace, "app"))
    assert live["metadata"]["generation"] == 1 and spent.memory < 16 << 10
    assert await call(served, path, good, body + b" ") == 400


@pytest.mark.parametrize("type", ["generic", "generic-hmac", "github", "cdevents", "dockerhub"])
async def test_oversized_bodies_are_not_kept(served: World, type: str) -> None:  # noqa: F811
    path = await hooked(served, "large", type)
    before = cost(served)
    calls = [call(served, path, JSON, b"[" * (4 << 20)) for _ in range(40)]
    assert set(await asyncio.gather(*calls)) == {413}
    calls = [call(served, path, JSON, b"[" * (2 << 20)) for _ in range(10)]  # depth that a parser may not survive
    assert set(await asyncio.gather(*calls)) <= {200, 400}
    assert (cost(served) - before).memory < 64 << 10  # eight calls of one path at once, of at most 3 MiB


async def test_a_body_that_would_grow_is_not_unpacked(served: World) -> None:  # noqa: F811
    """Half a gigabyte in two megabytes; a signature is of what came."""
    path = await hooked(served, "bomb", "generic-hmac")
    packed, encoding = gzip.compress(bytes(1 << 29), 1), {**JSON, "Content-Encoding": "gzip"}
    assert len(packed) < 3 << 20
    before = cost(served)
    signed = {**encoding, "X-Signature": f"sha256={mac(packed)}"}
    for headers, body, status in ((signed, packed, 200), (encoding, packed, 400), (encoding, b"no archive", 400)):
        assert set(await asyncio.gather(*(call(served, path, headers, body) for _ in range(8)))) == {status}
    assert (cost(served) - before).memory < 64 << 10


async def test_slow_callers_keep_out_nobody_else(served: World) -> None:  # noqa: F811
    """Who knows one path holds as many calls open as there are slots; and heads that never end are hung up on."""
    slow, path = await hooked(served, "slow", "generic"), await hooked(served, "quick", "generic")
    async with AsyncExitStack() as stack:
        for head in (f"POST {slow} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", f"POST {slow} HTTP/1.1\r\nHos"):
            writers = [await opened(served, head) for _ in range(100)]
            for _, writer in writers:
                stack.callback(writer.close)
        async with asyncio.timeout(20):  # less than a body may take
            assert await call(served, path) == 200
        async with asyncio.timeout(25):
            assert [await reader.read() for reader, _ in writers] == [b""] * 100


async def opened(world: World, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(world.controller.address, 9292)
    writer.write(head.encode())
    await writer.drain()
    return reader, writer


async def test_filters_end(served: World) -> None:  # noqa: F811
    """GO-2024-2792: an expression that a tenant wrote, over a body that anybody sent, costs what it may and no more."""
    expression = "req.a.all(x, req.a.all(y, req.a.all(z, req.a.all(w, x + y + z + w >= 0))))"
    path = await hooked(served, "slow", "generic", resourceFilter=expression)
    other = await hooked(served, "quick", "generic", resourceFilter="res.metadata.name == 'app'")
    body = json.dumps({"a": [1] * 2000}).encode()
    async with asyncio.TaskGroup() as group:
        slow = [group.create_task(call(served, path, JSON, body)) for _ in range(4)]
        assert await call(served, other, JSON, b"{}") == 200
    assert {task.result() for task in slow} == {500}


async def test_the_same_event_at_the_same_time_counts_once(world: World) -> None:
    """CVE-2025-61560: whoever asks while the first answer is on its way is held back too."""
    await world.provider()
    await world.alert()
    await world.known()
    answers = await asyncio.gather(*(world.post(event(world.namespace, message="one")) for _ in range(100)))
    assert Counter(answers) == {202: 1, 429: 99}
    await world.post(event(world.namespace, message="last"))
    assert [request.json()["message"] for request in await world.inbox.until(2)] == ["one", "last"]


async def test_no_secret_of_an_address_is_shown(world: World) -> None:
    """GHSA-v554: webhooks of chats are addresses that nobody else may know."""
    secrets = ("user-secret", "path-secret", "query-secret", "body-secret")
    address = "http://bot:user-secret@127.0.0.1:9/hooks/path-secret?sig=query-secret"
    await world.secret("address", address=address, token="body-secret")
    await world.provider("slack", address="", secretRef={"name": "address"}, timeout="2s")
    alert = await world.alert()
    await world.known()
    await world.post(event(world.namespace))
    told = await world.warning(alert, "NotificationDispatchFailed")
    assert "failed to reach 127.0.0.1" in told["message"]
    assert not [secret for secret in secrets if secret in told["message"] + log_of(world)]


async def test_a_body_without_end_is_cut(served: World) -> None:  # noqa: F811
    path = await hooked(served, "hook", "generic")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * (1 << 20)

    url = f"http://{served.controller.address}:9292{path}"
    before = cost(served)
    try:
        async with served.http.post(url, data=endless()) as response:
            assert response.status == 413
    except aiohttp.ClientError:
        pass  # the answer came while the body was still on its way
    assert (cost(served) - before).memory < 32 << 10
    assert await call(served, path) == 200


async def test_hostile_events_end_nothing(world: World) -> None:
    """What anybody in the cluster can post: odd names, huge metadata, revisions that are none."""
    await world.provider()
    await world.alert()
    await world.known()
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
