import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetloop.api.durations import InvalidDuration, duration_text, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1m0s", 60),
        ("300ms", 0.3),
        ("-1.5s", -1.5),
        ("+5s", 5),
        (".5s", 0.5),
        ("1.s", 1),
        ("1us1µs1μs", 3e-6),
        ("10ns", 1e-8),
        ("1m1m", 120),
    ],
)
def test_reads(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("5", 'time: missing unit in duration "5"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("1h5", 'time: missing unit in duration "1h5"'),
        ("-", 'time: invalid duration "-"'),
        (".s", 'time: invalid duration ".s"'),
        ("m", 'time: invalid duration "m"'),
        ("1 h", 'time: unknown unit " h" in duration "1 h"'),
        ("3000000h", 'time: invalid duration "3000000h"'),
        ("٣s", 'time: invalid duration "٣s"'),
    ],
)
def test_refuses_in_the_words_of_go(text: str, message: str) -> None:
    with pytest.raises(InvalidDuration) as caught:
        seconds_of(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (60, "1m0s"),
        (3600, "1h0m0s"),
        (5400.5, "1h30m0.5s"),
        (0.3, "300ms"),
        (1.5, "1.5s"),
        (0.0015, "1.5ms"),
        (1.5e-6, "1.5µs"),
        (1e-9, "1ns"),
        (-90, "-1m30s"),
    ],
)
def test_writes(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.integers(-(10**9), 10**9))
def test_milliseconds_survive(milliseconds: int) -> None:
    assert seconds_of(duration_text(milliseconds / 1000)) == milliseconds / 1000
