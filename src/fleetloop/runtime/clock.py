"""Time as values: the only places that read a clock get it from here as an argument."""

import datetime
import random


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def with_jitter(seconds: float, percentage: float) -> float:
    """`seconds` give or take `percentage` percent, so that a thousand objects do not tick together."""
    return seconds * (1 + random.uniform(-1, 1) * percentage / 100)


def backoff(failures: int, first: float, longest: float) -> float:
    """Doubles from `first` to `longest` seconds; `failures` counts from 1."""
    return min(longest, first * 2.0 ** min(failures - 1, 40))
