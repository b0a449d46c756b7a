"""Long messages keep their beginning, whole lines of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetloop.runtime.wording import shortened


@pytest.mark.parametrize(
    ("text", "longest", "found"),
    [
        ("short", 10, "short"),
        ("0123456789abc", 10, "0123456..."),
        ("one\ntwo\nthree\nfour", 18, "one\ntwo\nthree\nfour"),
        ("one\ntwo\nthree\nfour", 17, "one\nand 3 more"),
        ("a line that is far too long\nx", 15, "a line that ..."),
    ],
)
def test_whole_lines_stay(text: str, longest: int, found: str) -> None:
    assert shortened(text, longest) == found


@given(st.text(alphabet="ab\n", max_size=200), st.integers(20, 100))
def test_it_always_fits(text: str, longest: int) -> None:
    assert len(shortened(text, longest)) <= longest
