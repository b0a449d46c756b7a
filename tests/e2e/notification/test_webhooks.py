"""Receivers and their webhooks: every type's verification, who is asked, and what abuse comes to, over a real API server."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from typing import Any

import aiohttp
import pytest

from fleetloop.kube import ObjectRef
from tests.e2e.notification.conftest import DEADLINE, World
from tests.e2e.notification.issuer import Issuer, issuer
from tests.kit.conditions import condition

TOKEN = "s3cret-token"
SOURCE = "source.toolkit.fluxcd.io/v1"
REQUESTED = "reconcile.fluxcd.io/requestedAt"
GO_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{9} \+0000 UTC m=\+\d+\.\d{9}")
JSON = {"Content-Type": "application/json"}
BODY = b'{"push": {"tag": "1.0.0"}}'


def mac(body: bytes = BODY, algorithm: str = "sha256", key: str = TOKEN) -> str:
    return hmac.new(key.encode(), body, algorithm).hexdigest()


SIGNED = {"X-Signature": f"sha256={mac()}"}
CDEVENT = json.dumps(
    {
        "context": {
            "version": "0.4.1",
            "id": "1",
            "source": "/ci",
            "type": "dev.cdevents.artifact.published.0.2.0",
            "timestamp": "2026-01-02T03:04:05Z",
        },
        "subject": {"id": "pkg:oci/app", "content": {}},
    }
).encode()
Call = tuple[dict[str, str], bytes]
# type -> (events, calls that are let in, calls that are refused)
TYPES: dict[str, tuple[list[str], list[Call], list[Call]]] = {
    "generic": ([], [({}, b""), (JSON, BODY)], []),
    "generic-hmac": (
        [],
        [({"X-Signature": f"{a}={mac(algorithm=a)}"}, BODY) for a in ("sha1", "sha256", "sha512")],
        [
            ({}, BODY),
            ({"X-Signature": f"sha256={mac(key='other')}"}, BODY),
            ({"X-Signature": f"md5={mac(algorithm='md5')}"}, BODY),
            ({"X-Signature": mac()}, BODY),
            ({"X-Signature": f"sha256={mac()}"}, BODY + b" "),
        ],
    ),
    "github": (
        ["ping", "push"],
        [
            ({**JSON, "X-Hub-Signature-256": f"sha256={mac()}", "X-GitHub-Event": "PUSH"}, BODY),
            ({**JSON, "X-Hub-Signature": f"sha1={mac(algorithm='sha1')}", "X-GitHub-Event": "ping"}, BODY),
        ],
        [
            ({**JSON, "X-Hub-Signature-256": f"sha256={mac(key='other')}", "X-GitHub-Event": "push"}, BODY),
            ({**JSON, "X-Hub-Signature-256": f"sha256={mac()}", "X-GitHub-Event": "issues"}, BODY),
            ({**JSON, "X-GitHub-Event": "push"}, BODY),
        ],
    ),
    "bitbucket": (
        ["repo:push"],
        [({**JSON, "X-Hub-Signature": f"sha256={mac()}", "X-Event-Key": "repo:push"}, BODY)],
        [({**JSON, "X-Hub-Signature": f"sha256={mac()}", "X-Event-Key": "pr:opened"}, BODY)],
    ),
    "gitlab": (
        ["Push Hook"],
        [({"X-Gitlab-Token": TOKEN, "X-Gitlab-Event": "push hook"}, BODY)],
        [({"X-Gitlab-Token": "other", "X-Gitlab-Event": "Push Hook"}, BODY), ({"X-Gitlab-Token": TOKEN}, BODY)],
    ),
    "harbor": ([], [({"Authorization": TOKEN}, BODY)], [({"Authorization": f"Bearer {TOKEN}"}, BODY), ({}, BODY)]),
    "dockerhub": ([], [({}, BODY)], [({}, b"no"), ({}, b"")]),
    "quay": ([], [({}, BODY)], [({}, b"[1"), ({}, b"3")]),
    "acr": ([], [({}, BODY)], [({}, b"<x/>")]),
    "nexus": (
        [],
        [({"X-Nexus-Webhook-Signature": mac(algorithm="sha1")}, BODY)],
        [({"X-Nexus-Webhook-Signature": mac(algorithm="sha1", key="other")}, BODY), ({}, BODY)],
    ),
    "cdevents": (
        ["dev.cdevents.artifact.published.0.2.0"],
        [({**JSON, "Ce-Type": "dev.cdevents.artifact.published.0.2.0"}, CDEVENT)],
        [
            ({**JSON, "Ce-Type": "dev.cdevents.artifact.published.0.2.0"}, BODY),
            ({**JSON, "Ce-Type": "dev.cdevents.service.deployed.0.2.0"}, CDEVENT),
        ],
    ),
    # Google's keys are asked for at Google: what is let in is shown in test_oidc.
    "gcr": ([], [], [({}, BODY), ({"Authorization": "Bearer x"}, BODY)]),
}


@pytest.fixture
async def served(world: World) -> World:
    """With an object to ask, and the token."""
    await repository(world, "app")
    await world.secret("token", token=TOKEN, email="ci@acme.iam", audience="https://hooks")
    return world


async def repository(world: World, name: str, **labels: str) -> ObjectRef:
    metadata = {"name": name, "namespace": world.namespace, "labels": labels}
    spec = {"url": "https://git.example/app", "interval": "1h"}
    await world.kube.apply({"apiVersion": SOURCE, "kind": "GitRepository", "metadata": metadata, "spec": spec})
    return ObjectRef(SOURCE, "GitRepository", world.namespace, name)


def ready(live: Any) -> bool:
    return condition(live, "Ready").get("status") == "True"


async def hooked(world: World, name: str, type: str, **spec: Any) -> str:
    """The path of a Receiver of this name."""
    wanted = {"resources": [{"kind": "GitRepository", "name": "app"}], "secretRef": {"name": "token"}, **spec}
    ref = await world.apply("Receiver", name, type=type, **{k: v for k, v in wanted.items() if v is not None})
    path = str((await world.until(ref, ready))["status"]["webhookPath"])
    await answering(world, path)
    return path


async def answering(world: World, path: str) -> None:
    """Until the controller's watch has shown it the Receiver, which gives no event. Signed ones refuse these calls."""
    async with asyncio.timeout(DEADLINE):
        while await call(world, path) == 404:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def call(world: World, path: str, headers: dict[str, str] | None = None, body: bytes = b"", method: str = "POST") -> int:
    url = f"http://{world.controller.address}:9292{path}"
    async with world.http.request(method, url, headers=headers, data=body) as response:
        if response.status == 400:
            assert await response.read() == b""
        return response.status


async def requested(world: World, ref: ObjectRef) -> str:
    live = await world.kube.get(ref)
    return str((live["metadata"].get("annotations") or {}).get(REQUESTED, ""))


async def test_verification_of_every_type(served: World) -> None:
    app = ObjectRef(SOURCE, "GitRepository", served.namespace, "app")
    for type, (events, good, bad) in TYPES.items():
        path = await hooked(served, type, type, events=events)
        before = await requested(served, app)
        for headers, body in bad:
            assert await call(served, path, headers, body) == 400, (type, headers)
        assert await requested(served, app) == before
        for headers, body in good:
            assert await call(served, path, headers, body) == 200, (type, headers)
            after = await requested(served, app)
            assert after != before and GO_TIME.fullmatch(after)
            before = after


async def test_hn15_the_path_and_its_match(served: World) -> None:
    """HN15: of token, name and namespace as they are, a line break too; found by the whole URI alone."""
    await served.secret("line", token=TOKEN + "\n")
    path = await hooked(served, "hook", "generic", secretRef={"name": "line"})
    assert path == "/hook/" + hashlib.sha256(f"{TOKEN}\nhook{served.namespace}".encode()).hexdigest()
    live = await served.kube.get(ObjectRef("notification.toolkit.fluxcd.io/v1", "Receiver", served.namespace, "hook"))
    assert condition(live, "Ready")["message"] == f"Receiver initialized for path: {path}"
    assert [await call(served, p) for p in (path, path + "/", path + "?a=b", path[:-1], "/hook/")] == [200, 404, 404, 404, 404]
    assert await call(served, path, method="GET") == 200
    signed = await hooked(served, "signed", "generic-hmac", secretRef={"name": "line"})
    assert await call(served, signed, {"X-Signature": f"sha256={mac(key=TOKEN)}"}, BODY) == 400
    assert await call(served, signed, {"X-Signature": f"sha256={mac(key=TOKEN + chr(10))}"}, BODY) == 200


async def test_each_change_of_a_receiver_is_told(served: World) -> None:
    """Not only the first pass of an hour."""
    await hooked(served, "hook", "generic", interval="1h")
    await hooked(served, "hook", "generic", interval="5m")
    wanted = {f"Reconciliation finished, next run in {every}" for every in ("1h0m0s", "5m0s")}
    selector = "involvedObject.name=hook,reason=Succeeded,type=Normal"
    async with asyncio.timeout(DEADLINE):
        async for found in served.kube.watch("v1", "Event", served.namespace, field_selector=selector):
            wanted -= {found.object.get("message", "")}
            if not wanted:
                break


async def test_hn16_api_versions_and_wildcards(served: World) -> None:
    """HN16: a kind that needs an apiVersion, a wildcard without labels: the others are asked nevertheless."""
    app, one, two = [await repository(served, name, team=team) for name, team in (("app", "x"), ("one", "a"), ("two", "a"))]
    resources: list[dict[str, Any]] = [
        {"kind": "Kustomization", "name": "app"},
        {"kind": "GitRepository", "name": "*"},
        {"kind": "GitRepository", "name": "gone"},
        {"kind": "GitRepository", "name": "*", "matchLabels": {"team": "a"}},
    ]
    path = await hooked(served, "some", "generic", resources=resources)
    assert await call(served, path) == 500
    assert [bool(await requested(served, ref)) for ref in (app, one, two)] == [False, True, True]
    path = await hooked(served, "none", "generic", resources=[{**resources[3], "matchLabels": {"team": "nobody"}}])
    assert await call(served, path) == 200


async def test_filters(served: World) -> None:
    """Both must hold; `req` is empty for what does not say it is JSON."""
    app = ObjectRef(SOURCE, "GitRepository", served.namespace, "app")
    resources = [{"kind": "GitRepository", "name": "app", "filter": "req.push.tag == '1.0.0'"}]
    path = await hooked(served, "filtered", "generic", resources=resources, resourceFilter="res.metadata.name == 'app'")
    assert await call(served, path, JSON, b'{"push": {"tag": "2.0.0"}}') == 200
    assert not await requested(served, app)
    assert await call(served, path, {"Content-Type": "text/plain"}, BODY) == 500  # there is no req.push
    assert await call(served, path, JSON, b"{") == 500
    assert not await requested(served, app)
    assert await call(served, path, JSON, BODY) == 200
    assert await requested(served, app)


async def test_what_is_wrong_is_told(served: World) -> None:
    ref = await served.apply(
        "Receiver", "none", type="generic", secretRef={"name": "gone"}, resources=[{"kind": "GitRepository", "name": "app"}]
    )
    live = await served.until(ref, lambda live: condition(live, "Ready").get("reason") == "TokenNotFound")
    assert condition(live, "Reconciling")["reason"] == "ProgressingWithRetry"
    assert not live["status"].get("webhookPath")
    await served.secret("gone", token="late")
    await served.until(ref, ready)
    resources = [{"kind": "GitRepository", "name": "app", "filter": "res.("}]
    ref = await served.apply("Receiver", "bad", type="generic", secretRef={"name": "token"}, resources=resources)
    live = await served.until(ref, lambda live: condition(live, "Stalled").get("reason") == "InvalidCELExpression")
    assert condition(live, "Ready")["message"].startswith(
        "Reconciliation failed terminally due to configuration error: spec.resources[0].filter: "
    )
    assert live["status"]["observedGeneration"] == live["metadata"]["generation"]


async def test_a_call_that_comes_with_the_start_is_answered(served: World) -> None:
    """Who is told that there is no such webhook does not come again."""
    path = await hooked(served, "hook", "generic-hmac")
    await served.controller.kill()
    await served.controller.start()
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                assert await call(served, path, SIGNED, BODY) == 200
                break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.01)


async def test_suspended_and_large(served: World) -> None:
    path = await hooked(served, "hook", "generic")
    assert await call(served, path, body=b"x" * (4 << 20)) == 413
    await served.apply(
        "Receiver",
        "hook",
        type="generic",
        suspend=True,
        secretRef={"name": "token"},
        resources=[{"kind": "GitRepository", "name": "app"}],
    )
    await served.known()
    assert await call(served, path) == 503


async def test_oidc(served: World) -> None:
    """Wrong issuer, audience, key, age, algorithm, and a condition that does not hold: each is refused."""
    async with issuer() as trusted, issuer() as other:
        provider = {
            "issuerURL": trusted.url,
            "variables": [{"name": "repo", "expression": "claims.sub.split(':')[1]"}],
            "validations": [{"expression": "vars.repo == 'acme/app'", "message": "another repository"}],
        }
        resources = [{"kind": "GitRepository", "name": "app", "filter": "claims.sub.startsWith('repo:')"}]
        path = await hooked(served, "oidc", "generic-oidc", secretRef=None, oidcProviders=[provider], resources=resources)
        assert path == "/hook/" + hashlib.sha256(f"oidc{served.namespace}".encode()).hexdigest()
        assert await call(served, path, bearer(trusted.token())) == 200
        for token in refused(trusted, other):
            assert await call(served, path, bearer(token)) == 400
        assert await call(served, path) == 400


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refused(trusted: Issuer, other: Issuer) -> list[str]:
    unsigned = [
        base64.urlsafe_b64encode(part).decode().rstrip("=")
        for part in (b'{"alg":"none"}', b'{"iss":"%s"}' % trusted.url.encode())
    ]
    return [
        other.token(),
        other.token(iss=trusted.url),
        trusted.token(aud="somebody-else"),
        trusted.token(exp=1),
        trusted.token(sub="repo:acme/other"),
        trusted.token(iss=""),
        trusted.token(aud=""),
        trusted.token(aud=[]),
        trusted.token(sub=""),
        trusted.token(nbf=2**33),
        ".".join([*unsigned, ""]),
        "x.y.z",
    ]


class TestLockedDown:
    @pytest.fixture
    async def flags(self) -> tuple[str, ...]:
        return ("--no-cross-namespace-refs=true",)

    async def test_resources_of_other_namespaces_are_not_asked(self, served: World) -> None:
        """The receiver's own are, in the same call."""
        resources = [
            {"kind": "GitRepository", "name": "app", "namespace": "default"},
            {"kind": "GitRepository", "name": "*", "matchLabels": {"a": "b"}, "namespace": "default"},
            {"kind": "GitRepository", "name": "app"},
        ]
        other = {"name": "app", "namespace": "default", "labels": {"a": "b"}}
        spec = {"url": "https://git.example/app", "interval": "1h"}
        await served.kube.apply({"apiVersion": SOURCE, "kind": "GitRepository", "metadata": other, "spec": spec})
        assert await call(served, await hooked(served, "hook", "generic-hmac", resources=resources), SIGNED, BODY) == 500
        assert await requested(served, ObjectRef(SOURCE, "GitRepository", served.namespace, "app"))
        assert not await requested(served, ObjectRef(SOURCE, "GitRepository", "default", "app"))
        assert "cross-namespace references have been blocked" in (served.controller.folder / "log").read_text()
