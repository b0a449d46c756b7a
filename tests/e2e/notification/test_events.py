"""Events from where controllers post them to who is told, over a real API server."""

import asyncio

import pytest

from fleetloop.kube.errors import NotFound
from tests.e2e.notification.conftest import DEADLINE, REVISION, World, event

OWN, USERS = "kustomize.toolkit.fluxcd.io/", "event.toolkit.fluxcd.io/"


async def test_an_event_reaches_the_webhook_of_its_alert(world: World) -> None:
    """HN13 too: bare keys, the controller's over the alert's."""
    await world.provider()
    await world.alert(eventMetadata={"env": "prod"}, summary="cluster one")
    await world.known()
    metadata = {f"{OWN}revision": REVISION, f"{OWN}token": "t", f"{OWN}digest": "d", "other/x": "y", f"{USERS}team": "a"}
    assert await world.post(event(world.namespace, metadata=metadata)) == 202
    (request,) = await world.inbox.until(1)
    assert (request.method, request.path, request.headers["gotk-component"]) == ("POST", "/hook", "kustomize-controller")
    assert request.json()["metadata"] == {"env": "prod", "summary": "cluster one", "revision": REVISION, "team": "a"}
    assert request.json()["involvedObject"]["name"] == "app"


async def test_the_door_of_events(world: World) -> None:
    """HN12: equal events count once, whoever wants them; bodies are bounded, and JSON of the right shape."""
    first = event(world.namespace, "nobody-wants-it")
    assert [await world.post(first), await world.post({**first, "reason": "Other", "severity": "error"})] == [202, 429]
    url = f"http://{world.controller.address}:9090/any/path"
    async with world.http.put(url, json=first) as response:
        headers = response.headers
        assert (response.status, headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == (429, "1", "0")
        assert 0 < int(headers["Retry-After"]) <= 300 and "X-RateLimit-Reset" in headers
    for body, status in ((b"{", 400), (b"[]", 400), (b'{"involvedObject": 1}', 400), (b" " * (3 << 20) + b"{}", 413)):
        async with world.http.post(url, data=body) as response:
            assert response.status == status
    less = {"involvedObject": {"kind": "Job", "name": "x"}, "severity": "loud", "message": "less than an event", "metadata": None}
    assert [await world.post(less), await world.post({})] == [202, 202]
    async with world.http.get(f"http://{world.controller.address}:8080/metrics") as response:
        text = await response.text()
    assert 'gotk_event_http_request_duration_seconds_count{code="429",handler="/",method="POST",service=""} 1.0' in text
    assert "gotk_event_http_response_size_bytes_bucket" in text and "gotk_event_http_requests_inflight" in text


async def test_who_is_told(world: World) -> None:
    """Severity, inclusion, exclusion, live labels; the last event shows that the others are not coming."""
    await world.provider()
    await world.alert("errors", eventSeverity="error", providerRef={"name": "provider"})
    await world.alert("some", inclusionList=["^take"], exclusionList=["but not", "("])
    await world.known()
    for message in ("other", "take but not this", "take this"):
        await world.post(event(world.namespace, message=message))
    await world.post(event(world.namespace, message="take that", severity="error"))
    requests = await world.inbox.until(3)
    await asyncio.sleep(0.5)  # for what should not come
    assert sorted(r.json()["message"] for r in requests) == ["take that", "take that", "take this"]


async def test_labels_are_the_live_objects(world: World) -> None:
    metadata = {"name": "app", "namespace": world.namespace, "labels": {"team": "a"}}
    spec = {"interval": "1h", "prune": False, "path": "./", "sourceRef": {"kind": "GitRepository", "name": "x"}}
    api = "kustomize.toolkit.fluxcd.io/v1"
    await world.kube.apply({"apiVersion": api, "kind": "Kustomization", "metadata": metadata, "spec": spec})
    await world.provider()
    sources = [{"kind": "Kustomization", "name": "*", "matchLabels": {"team": "a"}}]
    alert = await world.alert(eventSources=sources)
    await world.known()
    await world.post(event(world.namespace, "gone"))
    assert "gone" in (await world.warning(alert, "SourceFetchFailed"))["message"]
    await world.post(event(world.namespace, "app"))
    (request,) = await world.inbox.until(1)
    assert request.json()["involvedObject"]["name"] == "app"


async def test_hn14_what_is_reported_for_a_commit_is_told_to_no_chat(world: World) -> None:
    await world.provider("slack")
    await world.apply("Provider", "hook", type="generic", address=world.inbox.url + "/generic")
    await world.alert("forward", providerRef={"name": "hook"})
    await world.alert()
    await world.known()
    update = {f"{OWN}revision": REVISION, f"{OWN}commit_status": "update"}
    await world.post(event(world.namespace, metadata=update, message="one"))
    await world.post(event(world.namespace, message="two"))
    requests = await world.inbox.until(3)
    await asyncio.sleep(0.5)  # for what should not come
    assert sorted(r.path for r in requests) == ["/generic", "/generic", "/hook"]


async def test_failures_are_told_on_the_alert_without_the_token(world: World) -> None:
    """A refusal is final and says what the receiver said; a Secret or a provider that is missing is said too."""
    await world.secret("login", token="top-secret-token")
    world.inbox.answers = lambda method, path: (400, {"said": "no top-secret-token here"})
    await world.provider("webex", channel="room", secretRef={"name": "login"})
    alert = await world.alert()
    await world.apply("Provider", "unopened", type="generic", address="http://x", secretRef={"name": "gone"})
    second = await world.alert("unopened", providerRef={"name": "unopened"})
    third = await world.alert("lost", providerRef={"name": "nobody"})
    await world.known()
    await world.post(event(world.namespace))
    message = (await world.warning(alert, "NotificationDispatchFailed"))["message"]
    assert "status code 400" in message and "no ***** here" in message
    assert f"secret '{world.namespace}/gone' not found" in (await world.warning(second, "NotificationDispatchFailed"))["message"]
    assert f"'{world.namespace}/nobody' not found" in (await world.warning(third, "NotificationDispatchFailed"))["message"]
    assert len(world.inbox.requests) == 1
    log = (world.controller.folder / "log").read_text()
    assert "top-secret-token" not in log


async def test_metadata_given_twice_and_bad_patterns_are_told(world: World) -> None:
    await world.provider()
    alert = await world.alert(eventMetadata={"revision": "mine"}, exclusionList=["("])
    await world.known()
    await world.post(event(world.namespace))
    assert "revision" in (await world.warning(alert, "MetadataAppendFailed"))["message"]
    assert "spec.exclusionList '('" in (await world.warning(alert, "InvalidConfig"))["message"]
    (request,) = await world.inbox.until(1)
    assert request.json()["metadata"]["revision"] == REVISION


async def test_commit_status_by_an_expression(world: World) -> None:
    """The name of a status is what CEL makes of event, alert and provider."""
    await world.secret("login", token="t")
    expression = "(event.involvedObject.kind + '/' + alert.metadata.name + '/' + provider.metadata.name).lowerAscii()"
    spec = {"secretRef": {"name": "login"}, "commitStatusExpr": expression}
    await world.provider("gitlab", "/group/app", **spec)
    await world.alert()
    await world.known()
    world.inbox.answers = lambda method, path: (200, []) if method == "GET" else (201, {})
    await world.post(event(world.namespace, metadata={f"{OWN}revision": REVISION, f"{OWN}commit_status": "update"}))
    requests = await world.inbox.until(2)
    assert requests[1].json() == {
        "state": "success",
        "name": "kustomization/alert/provider",
        "description": "reconciliation succeeded",
    }


async def test_alerts_lose_the_finalizer_and_providers_have_it_until_they_are_deleted(world: World) -> None:
    alert, provider = await world.alert(), await world.provider()
    await world.kube.patch(alert, {"metadata": {"finalizers": ["finalizers.fluxcd.io", "example.com/other"]}})
    await world.until(alert, lambda live: live["metadata"].get("finalizers") == ["example.com/other"])
    await world.warning(alert, "Migration")
    await world.kube.patch(alert, {"metadata": {"finalizers": []}})
    await world.until(provider, lambda live: live["metadata"].get("finalizers") == ["finalizers.fluxcd.io"])
    await world.kube.delete(provider)
    with pytest.raises(NotFound):
        async with asyncio.timeout(DEADLINE):
            while await world.kube.get(provider):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


class TestLockedDown:
    @pytest.fixture
    async def flags(self) -> tuple[str, ...]:
        return ("--no-cross-namespace-refs=true",)

    async def test_events_of_other_namespaces_are_refused_and_told(self, world: World) -> None:
        await world.provider()
        alert = await world.alert(eventSources=[{"kind": "Kustomization", "name": "*", "namespace": "other"}])
        await world.known()
        assert await world.post(event("other")) == 202
        message = (await world.warning(alert, "NotificationDispatchFailed"))["message"]
        assert "cross-namespace references have been blocked" in message
        assert world.inbox.requests == []
