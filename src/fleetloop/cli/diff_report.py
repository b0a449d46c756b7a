"""How two versions of an object differ, as text for people: a path, what happened there, the old and the new. Pure.

The layout is that of dyff, which Flux prints; reviews in pull requests show it.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fleetloop.api.yaml import dump

_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TYPES = {str: "string", bool: "bool", int: "int", float: "float", dict: "map", list: "list", type(None): "<nil>"}
_NAMES = ("name", "key", "id")  # the fields by which entries of a list are told apart


@dataclass(frozen=True, slots=True)
class Difference:
    """`lines` say what is different at a path."""

    path: tuple[str, ...]
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([".".join(self.path) or "(root level)", *self.lines, ""])


def report(before: Any, after: Any) -> str:
    """Empty when there is no difference; an empty line at the beginning and after each of them."""
    found = list(differences(before, after))
    return "".join(["\n", *(f"{one}\n" for one in found)]) if found else ""


def differences(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """What is deeper comes first, then what came and went at the place itself."""
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_maps(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(before, after, path)
    elif type(before) is not type(after):
        what = f"± type change from {_TYPES[type(before)]} to {_TYPES[type(after)]}"
        yield Difference(path, (what, *_changed(before, after)))
    elif before != after:
        yield Difference(path, tuple(_of_values(before, after)))


def _of_maps(before: dict[str, Any], after: dict[str, Any], path: tuple[str, ...]) -> Iterator[Difference]:
    for key in sorted(before.keys() & after.keys()):
        yield from differences(before[key], after[key], (*path, key))
    gone = {key: before[key] for key in sorted(before.keys() - after.keys())}
    new = {key: after[key] for key in sorted(after.keys() - before.keys())}
    yield from _came_and_went(gone, new, "map entry", path)


def _of_lists(before: list[Any], after: list[Any], path: tuple[str, ...]) -> Iterator[Difference]:
    if len(before) == len(after) == 1 and isinstance(before[0], dict) and not _name_field(before):
        yield from differences(before[0], after[0], (*path, "0"))
    elif (field := _name_field(before)) and field == _name_field(after):
        yield from _of_named(before, after, field, path)
    else:
        gone, new = _without(before, after), _without(after, before)
        if not gone and not new and before != after:
            yield Difference(path, ("⇆ order changed", *_changed(_joined(before), _joined(after))))
        yield from _came_and_went(gone, new, "list entry", path)


def _of_named(before: list[Any], after: list[Any], field: str, path: tuple[str, ...]) -> Iterator[Difference]:
    old, new = ({str(entry[field]): entry for entry in entries} for entries in (before, after))
    for name in old:
        if name in new:
            yield from differences(old[name], new[name], (*path, name))
    kept = [name for name in old if name in new]
    moved = [name for name in new if name in old]
    if kept != moved:
        yield Difference(path, ("⇆ order changed", *_changed(", ".join(kept), ", ".join(moved))))
    came = [entry for name, entry in new.items() if name not in old]
    yield from _came_and_went([entry for name, entry in old.items() if name not in new], came, "list entry", path)


def _name_field(entries: Sequence[Any]) -> str:
    """The field whose value is another one in every entry; empty if there is none."""
    for field in _NAMES:
        names = [entry.get(field) for entry in entries if isinstance(entry, dict)]
        if entries and len(names) == len(entries) and all(isinstance(n, str) for n in names) and len(set(names)) == len(names):
            return field
    return ""


def _without(entries: list[Any], others: list[Any]) -> list[Any]:
    """Entries that have no equal among the others, each of which counts once."""
    left = list(others)
    found = []
    for entry in entries:
        if entry in left:
            left.remove(entry)
        else:
            found.append(entry)
    return found


def _came_and_went(gone: Any, new: Any, noun: str, path: tuple[str, ...]) -> Iterator[Difference]:
    lines = [*_entries("-", "removed", gone, noun), *_entries("+", "added", new, noun)]
    if lines:
        yield Difference(path, tuple(lines))


def _entries(sign: str, what: str, entries: Any, noun: str) -> Iterator[str]:
    if entries:
        many = len(entries)
        count = _COUNTS[many] if many < len(_COUNTS) else str(many)
        yield f"{sign} {count} {noun if many == 1 else noun.replace('entry', 'entries')} {what}:"
        yield from (f"  {line}".rstrip() for line in dump(entries).splitlines())


def _of_values(before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, str) and ("\n" in before or "\n" in after):
        lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm=""))
        yield "± value change in multiline text"
        yield from (f"{line[:1]} {line[1:]}".rstrip() for line in lines[2:] if not line.startswith("@@"))
    else:
        yield "± value change"
        yield from _changed(before, after)


def _changed(before: Any, after: Any) -> tuple[str, ...]:
    return (*_shown("-", before), *_shown("+", after))


def _shown(sign: str, value: Any) -> Iterator[str]:
    text = "<nil>" if value is None else value if isinstance(value, str) else dump(value).rstrip("\n")
    first, *others = text.split("\n")
    yield f"{sign} {first}"
    yield from (f"  {line}" for line in others)


def _joined(entries: list[Any]) -> str:
    return ", ".join(entry if isinstance(entry, str) else dump(entry).strip().replace("\n", " ") for entry in entries)
