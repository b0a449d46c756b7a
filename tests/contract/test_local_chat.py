"""The chat room of local clusters, over HTTP: what it takes, who waits for it, and what its page shows."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from fleetloop.local.chat import KEPT, chat_on

ALERT = {
    "channel": "apps",
    "username": "notification-controller",
    "icon_url": "",
    "attachments": [
        {
            "fallback": "x",
            "color": "danger",
            "author_name": "helmrelease/web.apps",
            "text": "upgrade failed: <script>alert(1)</script>",
            "mrkdwn_in": ["text"],
            "fields": [{"title": "cluster", "value": "staging", "short": False}],
        }
    ],
}


@pytest.fixture
async def room() -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    async with chat_on("127.0.0.1", 0) as url, aiohttp.ClientSession() as http:
        yield http, url


async def messages(http: aiohttp.ClientSession, url: str, after: int) -> dict[str, Any]:
    async with http.get(f"{url}/messages", params={"after": str(after)}) as answer:
        return dict(await answer.json())


async def test_who_waits_hears_of_a_message_when_it_comes(room: tuple[aiohttp.ClientSession, str]) -> None:
    http, url = room
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(messages(http, url, 0))
        async with http.post(f"{url}/hook/apps", json=ALERT) as answer:
            assert (answer.status, await answer.text()) == (200, "ok")
    found = waiting.result()
    assert found["last"] == 1
    post = found["messages"][0]["post"]
    assert (post["channel"], post["attachments"][0]["fields"]) == ("apps", [{"title": "cluster", "value": "staging"}])


async def test_the_page_shows_messages_as_text(room: tuple[aiohttp.ClientSession, str]) -> None:
    http, url = room
    async with http.post(f"{url}/hook/apps", json=ALERT):
        pass
    async with http.get(url) as answer:
        page = await answer.text()
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "helmrelease/web.apps" in page
    assert "staging" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("body", ["", "{", "[]", '{"attachments": 1}', '{"text": 5}'])
async def test_what_is_no_message_is_refused(room: tuple[aiohttp.ClientSession, str], body: str) -> None:
    http, url = room
    async with http.post(f"{url}/hook/apps", data=body) as answer:
        assert (answer.status, (await answer.text())[:16]) == (400, "invalid_payload:")
    async with http.get(f"{url}/messages", params={"after": "-1"}) as answer:
        assert answer.status == 400


async def test_only_the_newest_are_kept_and_numbers_go_on(room: tuple[aiohttp.ClientSession, str]) -> None:
    http, url = room
    for number in range(KEPT + 2):
        async with http.post(f"{url}/hook/apps", json={"text": str(number)}):
            pass
    found = await messages(http, url, 0)
    assert (len(found["messages"]), found["last"]) == (KEPT, KEPT + 2)
    assert found["messages"][0]["post"]["text"] == "2"
