"""The table of providers and receivers in tests/e2e/notification holds every type, and names tests that are there."""

import re
from pathlib import Path
from typing import get_args

from fleetloop.api.notification import ProviderType, ReceiverType

FOLDER = Path(__file__).parents[3] / "e2e/notification"


def test_the_tables_are_true() -> None:
    text = (FOLDER / "README.md").read_text()
    providers, receivers = text.partition("## Receivers")[::2]
    assert types_of(providers) == set(get_args(ProviderType))
    assert types_of(receivers) == set(get_args(ReceiverType))
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)(?:\[([^\]]+)\])?`", text)
    for file, test, cases in named:
        source = (FOLDER / file).read_text()
        assert f"def {test}(" in source, f"{file}::{test}"
        assert not [case for case in cases.split(", ") if case and f'"{case}": (' not in source]
    assert len(named) >= len(get_args(ProviderType)) + len(get_args(ReceiverType))


def types_of(table: str) -> set[str]:
    return set(re.findall(r"^\| ([a-z0-9-]+) \|", table, re.MULTILINE))
