"""When to ask an API server again."""

import pytest

from fleetloop.kube.answers import again_when_lost, parsed, pause_of
from fleetloop.kube.errors import ConnectionLost, Unreachable


@pytest.mark.parametrize(
    ("status", "retry_after", "pause"),
    [
        (200, None, None),
        (200, "1", None),
        (429, "3", 3.0),
        (429, None, 1.0),
        (429, "Wed, 21 Oct 2026 07:28:00 GMT", 1.0),
        (429, "86400", 30.0),
        (429, "-1", 0.0),
        (503, "2", 2.0),
        (503, None, None),
        (500, "1", None),
        (504, None, None),
    ],
)
def test_pause_of(status: int, retry_after: str | None, pause: float | None) -> None:
    assert pause_of(status, retry_after) == pause


@pytest.mark.parametrize("body", [b"", b'{"kind": "Conf', b"<html>"])
def test_a_torn_body_is_no_answer(body: bytes) -> None:
    with pytest.raises(ConnectionLost, match="GET /api: the answer is no whole JSON document"):
        parsed(body, "GET", "/api")


@pytest.mark.parametrize(("error", "tries"), [(ConnectionLost("x"), 3), (Unreachable("x"), 1), (ValueError("x"), 1)])
async def test_only_a_lost_connection_is_asked_again_and_not_for_ever(error: Exception, tries: int) -> None:
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1
        raise error

    with pytest.raises(type(error)):
        await again_when_lost(ask)
    assert asked == tries
