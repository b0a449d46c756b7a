"""Frames and the sentences about a process's end."""

import pytest

from fleetloop.engine.client import ended, frame
from fleetloop.engine.errors import EngineError


def test_frame_is_length_and_json() -> None:
    assert frame({"id": 1, "verb": "x"}) == b"\x00\x00\x00\x13" + b'{"id":1,"verb":"x"}'


def test_a_call_too_large_is_refused_before_it_is_sent() -> None:
    with pytest.raises(EngineError, match="larger than the limit"):
        frame({"data": "x" * 100}, limit=50)


@pytest.mark.parametrize(
    ("code", "complaints", "sentence"),
    [
        (70, ["engine: memory limit of 64 MiB passed"], "the engine ended: memory limit of 64 MiB passed"),
        (-9, [], "the engine ended with signal 9"),
        (2, ["x", "fatal error: all is lost", "trace"], "the engine ended with exit code 2: fatal error: all is lost"),
        (0, ["a warning"], "the engine ended with exit code 0"),
    ],
)
def test_ended(code: int, complaints: list[str], sentence: str) -> None:
    assert ended(code, complaints) == sentence
