"""Every type of Provider against a server: method, path, headers and body are those that Flux's sent when it was recorded."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from fleetloop.controllers.notification.access import Access
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.providers.registry import providers
from tests.e2e.notification.notes import event_about, note_of
from tests.e2e.notification.receiver import Inbox, inbox

RECORDED: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(
    (Path(__file__).parents[2] / "cases/provider-requests.json").read_text()
)["providers"]
NOT_OURS = {"host", "user-agent", "content-length", "accept-encoding", "connection"}
RECORDED_AT = "http://127.0.0.1:8990"  # what a recorded body says of its address
RECORDED_KEY = "0d4260d02a7932d5847e05709615b295e0fbe2c0"  # digest of a status' name, of which a uid was not recorded

# name -> (type, path of the address, Secret, spec)
CASES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "slack": ("slack", "/slack/hook", {}, {"channel": "general", "username": "bot"}),
    "slackapi": ("slack", "/api/chat.postMessage", {"token": "xoxb-1"}, {"channel": "general"}),
    "discord": ("discord", "/discord/api/webhooks/1/2", {}, {"channel": "general", "username": "bot"}),
    "msteams": ("msteams", "/teams/webhook", {}, {}),
    "msteams2": ("msteams", "/workflows/x.logic.azure.com", {}, {}),
    "rocket": ("rocket", "/rocket", {}, {"channel": "general", "username": "bot"}),
    "generic": ("generic", "/generic", {"headers": {"X-A": "b"}}, {}),
    "generictok": ("generic", "/generictok", {"token": "t"}, {}),
    "hmac": ("generic-hmac", "/hmac", {"token": "key"}, {}),
    "googlechat": ("googlechat", "/gchat", {}, {}),
    "webex": ("webex", "/webex", {"token": "t"}, {"channel": "room"}),
    "lark": ("lark", "/lark", {}, {}),
    "matrix": ("matrix", "/matrix", {"token": "t"}, {"channel": "!room:x"}),
    "opsgenie": ("opsgenie", "/opsgenie", {"token": "t"}, {}),
    "alertmanager": ("alertmanager", "/alertmanager/api/v2/alerts/", {}, {}),
    "amtok": ("alertmanager", "/amtok/api/v2/alerts/", {"token": "t"}, {}),
    "grafana": ("grafana", "/grafana/api/annotations", {"token": "t"}, {}),
    "pagerduty": ("pagerduty", "/ignored", {}, {"channel": "routingkey"}),
    "datadog": ("datadog", "", {"token": "t"}, {}),
    "zulip": ("zulip", "", {"username": "b@x", "password": "p"}, {"channel": "stream/topic"}),
    "gitlab": ("gitlab", "/org/repo", {"token": "t"}, {}),
    "bbserver": ("bitbucketserver", "/scm/proj/repo.git", {"token": "t"}, {}),
    "ghdispatch": ("githubdispatch", "/org/repo", {"token": "t"}, {}),
    "github": ("github", "/org/repo", {"token": "t"}, {}),
}
UIDS = {"github": "6eeaf38a-0", "gitlab": "5ece36a8-0"}
ONLY_FOR_ERRORS = {"github", "gitlab", "bbserver"}  # a success of this kind does not come so far: HN14


@pytest_asyncio.fixture
async def box() -> AsyncIterator[Inbox]:
    async with inbox() as found:
        yield found


@pytest_asyncio.fixture
async def http() -> AsyncIterator[Http]:
    async with Http.open(None) as found:
        yield found


def in_order(content: Any) -> Any:
    """Flux's lists of metadata have a random order."""
    if isinstance(content, dict):
        return {key: in_order(value) for key, value in content.items()}
    if isinstance(content, list):
        return sorted((in_order(item) for item in content), key=json.dumps)
    return content


def lines_in_order(content: Any) -> Any:
    """The same, in texts."""
    if isinstance(content, dict):
        return {key: lines_in_order(value) for key, value in content.items()}
    if isinstance(content, list):
        return [lines_in_order(item) for item in content]
    return sorted(content.splitlines()) if isinstance(content, str) else content


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("severity", ["info", "error"])
async def test_request_is_the_recorded_one(name: str, severity: str, box: Inbox, http: Http) -> None:
    if severity == "info" and name in ONLY_FOR_ERRORS:
        return
    type, path, secret, spec = CASES[name]
    access = Access(address=box.url + path, **secret)
    note = note_of(type, event_about(name, severity), access, UIDS.get(name, ""), **spec)
    if name == "bbserver":
        box.answers = lambda method, path: (404, {}) if method == "GET" else None
    await providers("")[type](note, http)
    key = hashlib.sha1(note.status_id.encode()).hexdigest()
    text = json.dumps(next(found for key, found in RECORDED[name].items() if key.startswith(severity)))
    recorded = json.loads(text.replace(RECORDED_KEY, key).replace(RECORDED_AT, box.url))
    assert [(r.method, r.path) for r in box.requests] == [(r["method"], r["path"]) for r in recorded]
    for request, wanted in zip(box.requests, recorded, strict=True):
        assert {k: v for k, v in request.headers.items() if k not in NOT_OURS} == wanted["headers"]
        if isinstance(wanted["body"], str):
            assert request.raw.decode() == wanted["body"]
        else:
            assert in_order(lines_in_order(request.json())) == in_order(lines_in_order(wanted["body"]))


async def test_sentry(box: Inbox, http: Http) -> None:
    """Ids, clock and what is told of the process differ; everything about the event is as recorded."""
    for severity in ("info", "error"):
        box.requests.clear()
        access = Access(address=box.url.replace("//", "//key@") + "/42")
        await providers("")["sentry"](note_of("sentry", event_about("sentry", severity), access, channel="prod"), http)
        (wanted,) = next(found for key, found in RECORDED["sentry"].items() if key.startswith(severity))
        (request,) = box.requests
        assert (request.method, request.path) == (wanted["method"], wanted["path"])
        assert request.headers["content-type"] == wanted["headers"]["content-type"]
        head, item, content = (json.loads(line) for line in request.raw.splitlines())
        _, wanted_item, wanted_content = (json.loads(line) for line in wanted["body"].splitlines())
        assert (urlsplit(head["dsn"]).username, item["type"]) == ("key", wanted_item["type"])
        assert item["length"] == len(request.raw.splitlines()[2])
        same = ("environment", "level", "message", "timestamp", "transaction", "tags", "start_timestamp", "type")
        assert {k: content.get(k) for k in same} == {k: wanted_content.get(k) for k in same}
        told = wanted_content["contexts"].get("metadata")
        assert content["contexts"].get("metadata") == told
