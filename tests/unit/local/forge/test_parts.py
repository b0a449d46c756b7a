"""The small pure parts: keys, statuses, deliveries, rate limit, store, credentials."""

import asyncio
import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetloop.local.forge.api.call import secret_of
from fleetloop.local.forge.api.keys import normal_key
from fleetloop.local.forge.api.statuses import combined
from fleetloop.local.forge.deliveries import signed_headers
from fleetloop.local.forge.model import Account, Hook
from fleetloop.local.forge.rate_limit import RateLimit
from fleetloop.local.forge.store import Store

NOW = "2026-01-01T00:00:00Z"
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGH0QgOBE6YtED+EQs90VfWNHOoXZ3j+Ucv9vmO8W6wq"


@pytest.mark.parametrize("text", [ED25519, ED25519 + " someone@somewhere", f"  {ED25519}\n"])
def test_public_key_loses_its_comment(text: str) -> None:
    assert normal_key(text) == ED25519


@given(st.text())
def test_other_text_is_no_public_key(text: str) -> None:
    with pytest.raises(ValueError):
        normal_key(text)


@pytest.mark.parametrize(
    ("states", "word"),
    [([], "pending"), (["success"], "success"), (["success", "pending"], "pending"), (["pending", "error"], "failure")],
)
def test_combined_status(states: list[str], word: str) -> None:
    assert combined(states) == word


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        ("Bearer abc", "abc"),
        ("token abc", "abc"),
        (basic("x-access-token:abc"), "abc"),
        (basic("anyone:abc"), "abc"),
        (basic("abc:"), "abc"),
        (basic("abc:x-oauth-basic"), "abc"),
        ("Basic !!!", ""),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), ""),
        ("Digest abc", ""),
        ("", ""),
    ],
)
def test_token_is_found_in_the_header(header: str, secret: str) -> None:
    assert secret_of(header) == secret


def test_delivery_is_signed_as_github_documents_it() -> None:
    """GitHub docs, validating webhook deliveries: the published test vector."""
    hook = Hook(1, "http://x", "json", "It's a Secret to Everybody", "0", ["push"], True, NOW, NOW)
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signed_headers(hook, "push", b"Hello, World!", "id")["X-Hub-Signature-256"] == expected


def test_delivery_without_a_secret_is_not_signed() -> None:
    hook = Hook(1, "http://x", "form", "", "0", ["push"], True, NOW, NOW)
    headers = signed_headers(hook, "push", b"", "id")
    assert not [name for name in headers if "Signature" in name]
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"


def test_rate_limit_starts_again_every_hour() -> None:
    times = [7200.0]
    limit = RateLimit(2, lambda: times[0])
    first = limit.take("ann")
    assert first and (first.remaining, first.reset) == (1, 10800)
    assert limit.take("ann") and limit.take("ann") is None
    assert limit.take("bob")
    times[0] = 10800.0
    assert limit.take("ann")


async def test_store_writes_the_newest_state_for_all_who_wait(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.json")
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            login = f"user{number}"
            store.state.accounts[login] = Account(store.state.new_id(), login, "User", login, "", NOW)
            tasks.create_task(store.save())
    assert len(Store(tmp_path / "state.json").state.accounts) == 20
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]
    assert json.loads((tmp_path / "state.json").read_bytes())["last_id"] == 20
