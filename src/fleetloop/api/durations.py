"""Durations in Go's text form, as specs, flags and messages carry them. Inside, a duration is seconds (float)."""

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5
    "μs": 1_000,  # U+03BC
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)", re.ASCII)
_LONGEST = 2**63 - 1  # nanoseconds
_LONGEST_DIGITS = 19
_SHOWN = 100  # characters of a text that is wrong


class InvalidDuration(ValueError):
    """The text is no duration; the message names the text and what is wrong, in the words of Go's own parser."""


def seconds_of(text: str) -> float:
    """`1h30m` -> 5400.0, `-1.5s` -> -1.5, `0` -> 0.0. Raises InvalidDuration."""
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned == "0":
        return 0.0
    if not unsigned:
        raise InvalidDuration(f'time: invalid duration "{text[:_SHOWN]}"')
    nanoseconds, position = 0, 0
    while position < len(unsigned):
        part = _PART.match(unsigned, position)
        if part is None or not (part[1] or part[2]):
            raise InvalidDuration(f'time: invalid duration "{text[:_SHOWN]}"')
        nanoseconds += _nanoseconds(part[1], part[2] or "", part[3], text)
        position = part.end()
    if nanoseconds > _LONGEST:
        raise InvalidDuration(f'time: invalid duration "{text[:_SHOWN]}"')
    return (-nanoseconds if text[0] == "-" else nanoseconds) / 1e9


def _nanoseconds(whole: str, fraction: str, unit: str, text: str) -> int:
    if not unit:
        raise InvalidDuration(f'time: missing unit in duration "{text[:_SHOWN]}"')
    if unit not in _UNITS:
        raise InvalidDuration(f'time: unknown unit "{unit}" in duration "{text[:_SHOWN]}"')
    if len(whole.lstrip("0")) > _LONGEST_DIGITS:
        raise InvalidDuration(f'time: invalid duration "{text[:_SHOWN]}"')
    digits = fraction[:18].ljust(18, "0")  # more than a nanosecond of an hour can tell apart
    return int(whole.lstrip("0") or "0") * _UNITS[unit] + int(digits) * _UNITS[unit] // 10**18


def duration_text(seconds: float) -> str:
    """5400.0 -> `1h30m0s`, 0.3 -> `300ms`, 1.5 -> `1.5s`, 0 -> `0s`: Go's form, to the nanosecond."""
    nanoseconds = round(seconds * 1e9)
    sign, nanoseconds = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < _UNITS["s"]:
        unit = next(name for name in ("ms", "µs", "ns") if nanoseconds >= _UNITS[name])
        return sign + _decimal(nanoseconds, _UNITS[unit]) + unit
    minutes, rest = divmod(nanoseconds, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    leading = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return sign + leading + _decimal(rest, _UNITS["s"]) + "s"


def _decimal(nanoseconds: int, unit: int) -> str:
    whole, rest = divmod(nanoseconds, unit)
    fraction = str(rest).zfill(len(str(unit)) - 1).rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)
