"""An event's reason as words. Pure."""

import re

PROGRESSING = "Progressing"  # what is under way is no verdict
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z]|[0-9]|\b|$)|[A-Z]?[a-z]+|[0-9]+")


def words_of(reason: str) -> str:
    """`HealthCheckFailed` -> `health check failed`."""
    return " ".join(_WORD.findall(reason)).lower()
