"""Webhooks, delivered to a real HTTP server and verified as a receiver would."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from tests.contract.local_forge.conftest import Scene
from tests.kit.github_api import check_event

pytestmark = pytest.mark.asyncio(loop_scope="package")
REPO = "/repos/{owner}/{repo}"
SECRET = "a shared secret"
DELIVERY_TIMEOUT = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Arrived:
    event: str
    signature: str
    body: bytes

    @property
    def payload(self) -> Any:
        return json.loads(self.body)

    @property
    def is_signed(self) -> bool:
        expected = hmac.new(SECRET.encode(), self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(self.signature, f"sha256={expected}")


class Receiver:
    """An HTTP server that keeps what it is sent. `status` is what it answers."""

    def __init__(self, status: int) -> None:
        self._arrived: asyncio.Queue[Arrived] = asyncio.Queue()
        self._status = status
        self.url = ""

    async def take(self, event: str) -> Arrived:
        """The next delivery, which must be of that event."""
        async with asyncio.timeout(DELIVERY_TIMEOUT):
            found = await self._arrived.get()
        assert found.event == event
        assert found.is_signed
        if event in {"push", "ping"}:
            check_event(event, found.payload)
        return found

    async def keep(self, request: web.Request) -> web.Response:
        headers = request.headers
        signature = headers.get("X-Hub-Signature-256", "")
        await self._arrived.put(Arrived(headers["X-GitHub-Event"], signature, await request.read()))
        return web.Response(status=self._status)


@asynccontextmanager
async def receiving(status: int = 200) -> AsyncIterator[Receiver]:
    receiver, app = Receiver(status), web.Application()
    app.router.add_post("/hook/abc", receiver.keep)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/abc"
        yield receiver
    finally:
        await runner.cleanup()


def wish(url: str, *events: str) -> dict[str, object]:
    config = {"url": url, "content_type": "json", "secret": SECRET, "insecure_ssl": "0"}
    return {"name": "web", "config": config, "events": list(events or ("push",)), "active": True}


async def test_hook_is_pinged_and_told_of_pushes(scene: Scene) -> None:
    async with receiving() as receiver:
        api = await scene.full_api()
        made = await api("POST", REPO + "/hooks", wish(receiver.url), **scene.target)
        assert (made.status, made.body["config"]["secret"]) == (201, "********")
        assert (await receiver.take("ping")).payload["hook_id"] == made.body["id"]
        first = await scene.push({"a": "1\n"})
        created = (await receiver.take("push")).payload
        assert (created["ref"], created["created"], created["after"]) == ("refs/heads/main", True, first)
        second = await scene.push({"a": "2\n", "b": "1\n"})
        pushed = (await receiver.take("push")).payload
        assert (pushed["before"], pushed["after"], pushed["forced"]) == (first, second, False)
        assert pushed["repository"]["full_name"] == f"{scene.org}/{scene.repo}"
        assert pushed["pusher"]["name"] == scene.owner
        (commit,) = pushed["commits"]
        assert (commit["id"], commit["added"], commit["modified"], commit["removed"]) == (second, ["b"], ["a"], [])
        shown = await api("GET", REPO + "/hooks/{hook_id}", hook_id=made.body["id"], **scene.target)
        assert shown.body["last_response"]["code"] == 200


async def test_hook_hears_of_tags_forced_pushes_and_deletions(scene: Scene) -> None:
    first, second = await scene.push({"a": "1\n"}), await scene.push({"a": "2\n"})
    async with receiving() as receiver:
        await scene.forge.admin.create_hook(scene.org, scene.repo, receiver.url, SECRET)
        api = await scene.full_api()
        await api("POST", REPO + "/git/refs", {"ref": "refs/tags/v1", "sha": first}, **scene.target)
        tag = (await receiver.take("push")).payload
        assert (tag["ref"], tag["commits"], tag["head_commit"]["id"]) == ("refs/tags/v1", [], first)
        body = {"sha": first, "force": True}
        await api("PATCH", REPO + "/git/refs/{ref}", body, ref="heads/main", **scene.target)
        forced = (await receiver.take("push")).payload
        assert (forced["forced"], forced["before"], forced["commits"]) == (True, second, [])
        await api("DELETE", REPO + "/git/refs/{ref}", ref="tags/v1", **scene.target)
        deleted = (await receiver.take("push")).payload
        assert (deleted["deleted"], deleted["head_commit"]) == (True, None)


async def test_hook_hears_of_pushes_over_ssh(scene: Scene) -> None:
    sha = await scene.push({"a": "1\n"})
    key = await scene.deploy_key("writer", read_only=False)
    async with receiving() as receiver:
        await scene.forge.admin.create_hook(scene.org, scene.repo, receiver.url, SECRET)
        url = scene.forge.ssh_clone_url(scene.org, scene.repo)
        await scene.forge.git("push", "--quiet", url, "HEAD:refs/heads/x", cwd=scene.folder / "work", ssh_key=key)
        pushed = (await receiver.take("push")).payload
        assert (pushed["ref"], pushed["after"]) == ("refs/heads/x", sha)


async def test_hook_hears_of_merges_by_the_api(scene: Scene) -> None:
    first = await scene.push({"a": "1\n"})
    api = await scene.full_api()
    await api("POST", REPO + "/git/refs", {"ref": "refs/heads/next", "sha": first}, **scene.target)
    await scene.push({"a": "2\n"}, branch="next")
    async with receiving() as receiver:
        await scene.forge.admin.create_hook(scene.org, scene.repo, receiver.url, SECRET, ["push", "pull_request"])
        await api("POST", REPO + "/pulls", {"title": "t", "head": "next", "base": "main"}, **scene.target)
        assert (await receiver.take("pull_request")).payload["action"] == "opened"
        merged = await api("PUT", REPO + "/pulls/{pull_number}/merge", {}, pull_number=1, **scene.target)
        assert (await receiver.take("push")).payload["after"] == merged.body["sha"]
        closed = (await receiver.take("pull_request")).payload
        assert (closed["action"], closed["pull_request"]["merged"]) == ("closed", True)


async def test_one_dead_hook_does_not_stop_the_others(scene: Scene) -> None:
    async with receiving(500) as failing, receiving() as receiver:
        for url in ("http://127.0.0.1:9/dead", failing.url, receiver.url):
            await scene.forge.admin.create_hook(scene.org, scene.repo, url, SECRET)
        await scene.push({"a": "1\n"})
        await failing.take("push")
        await receiver.take("push")
        hooks = (await scene.forge.admin.repository(scene.org, scene.repo))["hooks"]
        assert [hook["last_code"] for hook in hooks[:2]] == [None, 500]
        assert "secret" not in hooks[0]


async def test_hooks_are_listed_changed_and_deleted(scene: Scene) -> None:
    async with receiving() as receiver:
        api = await scene.full_api()
        made = await api("POST", REPO + "/hooks", wish(receiver.url), **scene.target)
        await receiver.take("ping")
        again = await api("POST", REPO + "/hooks", wish(receiver.url), **scene.target)
        assert again.body["errors"][0]["message"] == "Hook already exists on this repository"
        one = {"hook_id": made.body["id"], **scene.target}
        changed = await api("PATCH", REPO + "/hooks/{hook_id}", {"events": ["pull_request"]}, **one)
        assert changed.body["events"] == ["pull_request"]
        await scene.push({"a": "1\n"})
        assert (await api("POST", REPO + "/hooks/{hook_id}/pings", **one)).status == 204
        await receiver.take("ping")
        assert len((await api("GET", REPO + "/hooks", **scene.target)).body) == 1
        assert (await api("DELETE", REPO + "/hooks/{hook_id}", **one)).status == 204
        assert (await api("GET", REPO + "/hooks/{hook_id}", **one)).status == 404


@pytest.mark.parametrize("url", ["", "ftp://x/y", "x", "http://", "http://[", "file:///etc/passwd", "http://x/" + "y" * 3000])
async def test_bad_addresses_are_refused(scene: Scene, url: str) -> None:
    api = await scene.full_api()
    assert (await api("POST", REPO + "/hooks", wish(url), **scene.target)).status == 422
