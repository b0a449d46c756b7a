"""Go's grammar of command line flags (pflag), with its error texts; scripts rely on both.

`--flag value`, `--flag=value`, `--switch`, `--switch=false`, `-n value`, `-nvalue`, `-n=value`, `-Aw`; `--` ends the flags.
Knows nothing of verbs: it takes words and a list of `Flag`, and gives values by flag name.
"""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fleetloop.api.durations import duration_text, seconds_of
from fleetloop.cli.errors import HelpAsked, UsageError

Values = dict[str, Any]

_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


@dataclass(frozen=True, slots=True)
class FlagType:
    """How the text of a flag becomes a value. `parse` raises ValueError with the text Go's parser gives."""

    name: str
    parse: Callable[[str], Any]
    zero: Any
    is_list: bool = False  # a repetition adds to the value instead of replacing it
    show: Callable[[Any], str] = str  # how the help prints a default
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Flag:
    """`dest` is the field that gets the value; `default` is shown in the help unless it is the type's zero value."""

    name: str
    short: str
    dest: str
    type: FlagType
    default: Any
    help: str
    deprecated: str = ""

    @property
    def is_switch(self) -> bool:
        return self.type is BOOL

    @property
    def spelled(self) -> str:
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


def quoted(text: str) -> str:
    """As Go's %q prints it."""
    return json.dumps(text, ensure_ascii=False)


def parse_flags(words: Sequence[str], flags: Iterable[Flag], values: Values, *, stop_at_argument: bool) -> list[str]:
    """Puts what is given into `values` (by flag name) and returns the words that are no flags.

    Raises UsageError with pflag's text, HelpAsked.
    """
    known = list(flags)
    by_name = {flag.name: flag for flag in known}
    by_short = {flag.short: flag for flag in known if flag.short}
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            return [*rest, *queue]
        if len(word) < 2 or word[0] != "-":
            if stop_at_argument:
                return [word, *queue]
            rest.append(word)
        elif word.startswith("--"):
            _take_long(word, by_name, queue, values)
        else:
            _take_short(word[1:], by_short, queue, values)
    return rest


def _take_long(word: str, by_name: dict[str, Flag], queue: list[str], values: Values) -> None:
    name, has_value, text = word[2:].partition("=")
    if not name or name[0] == "-":
        raise UsageError(f"bad flag syntax: {word}")
    flag = by_name.get(name)
    if flag is None:
        raise HelpAsked if name == "help" else UsageError(f"unknown flag: --{name}")
    if not has_value:
        text = _following(flag, queue, f"flag needs an argument: {word}")
    _set(flag, text, values)


def _take_short(cluster: str, by_short: dict[str, Flag], queue: list[str], values: Values) -> None:
    rest = cluster
    while rest:
        letter, rest = rest[0], rest[1:]
        flag = by_short.get(letter)
        if flag is None:
            raise HelpAsked if letter == "h" else UsageError(f"unknown shorthand flag: '{letter}' in -{cluster}")
        if len(rest) > 1 and rest[0] == "=":
            text, rest = rest[1:], ""
        elif rest and not flag.is_switch:
            text, rest = rest, ""
        else:
            text = _following(flag, queue, f"flag needs an argument: '{letter}' in -{cluster}")
        _set(flag, text, values)


def _following(flag: Flag, queue: list[str], problem: str) -> str:
    if flag.is_switch:
        return "true"
    if not queue:
        raise UsageError(problem)
    return queue.pop(0)


def _set(flag: Flag, text: str, values: Values) -> None:
    try:
        value = flag.type.parse(text)
    except ValueError as error:
        raise UsageError(f"invalid argument {quoted(text)} for {quoted(flag.spelled)} flag: {error}") from None
    if flag.type.is_list:
        value = (*values.get(flag.name, ()), *value)
    values[flag.name] = value


def _bool(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise ValueError(f"strconv.ParseBool: parsing {quoted(text)}: invalid syntax")
    return text in _TRUE


def _int(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f"strconv.ParseInt: parsing {quoted(text)}: invalid syntax") from None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"strconv.ParseFloat: parsing {quoted(text)}: invalid syntax") from None


def _comma_list(text: str) -> tuple[str, ...]:
    """One line of CSV, as pflag reads `strings`; a comma inside double quotes does not split."""
    if not text:
        return ()
    try:
        return tuple(next(csv.reader([text], strict=True)))
    except csv.Error as error:
        raise ValueError(f"parse error on line 1: {error}") from None


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    found = []
    for pair in _comma_list(text):
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"{pair} must be formatted as key=value")
        found.append((key, value))
    return tuple(found)


BOOL = FlagType("bool", _bool, False, show=lambda value: str(value).lower())
STRING = FlagType("string", str, "")
INT = FlagType("int", _int, 0)
FLOAT = FlagType("float32", _float, 0.0, show=lambda value: f"{value:g}")
DURATION = FlagType("duration", seconds_of, 0.0, show=duration_text)
STRINGS = FlagType("strings", _comma_list, (), is_list=True, show=",".join)
STRING_ARRAY = FlagType("stringArray", lambda text: (text,), (), is_list=True)
STRING_MAP = FlagType("stringToString", _pairs, (), is_list=True)  # pairs; a later key wins


def choice(noun: str, *allowed: str, fold_case: bool = False) -> FlagType:
    """One of `allowed`; `noun` names it in the error text. `fold_case`: the spelling of `allowed` is stored."""
    canonical = {a.lower() if fold_case else a: a for a in allowed}

    def parse(text: str) -> str:
        listed = ", ".join(allowed)
        if not text.strip():
            raise ValueError(f"no {noun} given, must be one of: {listed}")
        try:
            return canonical[text.lower() if fold_case else text]
        except KeyError:
            raise ValueError(f"{noun} '{text}' is not supported, must be one of: {listed}") from None

    return FlagType("|".join(allowed), parse, "", choices=tuple(allowed))
