"""JSON pointers (RFC 6901) into manifests, and the same places in managedFields. Pure; nothing is changed in place."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import orjson

Pointer: TypeAlias = tuple[str, ...]


class Absent:
    """There is nothing at the pointer; an explicit null is something."""


ABSENT = Absent()
ONLY_ITSELF: dict[str, Any] = {".": {}}  # in fieldsV1: the mapping, and nothing in it


def pointer_from(text: str) -> Pointer:
    """`/a/b~1c` -> ("a", "b/c"). Raises ValueError for what is no pointer, and for the whole document."""
    if not text.startswith("/") or "~" in text.replace("~0", "").replace("~1", ""):
        raise ValueError(f"{text!r} is not a JSON pointer")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def value_at(document: Any, pointer: Pointer) -> Any:
    """ABSENT when there is none."""
    for part in pointer:
        document = _child(document, part)
    return document


def without(document: Any, pointers: Iterable[Pointer]) -> Any:
    """Fields that are emptied by it go too: absent and empty is the same to whom asks for what is left."""
    for pointer in sorted(pointers, key=_last_first, reverse=True):
        document = _removed(document, pointer)
    return document


def with_value(document: Any, pointer: Pointer, value: Any) -> Any:
    """Missing mappings are made; an item of a list that is not there is not."""
    if not pointer:
        return value
    part, rest = pointer[0], pointer[1:]
    if isinstance(document, list):
        if isinstance(_child(document, part), Absent):
            return document
        position = int(part)
        return [*document[:position], with_value(document[position], rest, value), *document[position + 1 :]]
    if not isinstance(document, dict):
        return document
    return document | {part: with_value(document.get(part, {}), rest, value)}


def owns(entry: Mapping[str, Any], document: Any, pointer: Pointer) -> bool:
    """Whether a managedFields entry names the very place."""
    return _keys_of(entry.get("fieldsV1") or {}, document, pointer) is not None


def left_of(entry: Mapping[str, Any], document: Any, pointers: Iterable[Pointer]) -> dict[str, Any]:
    """The entry's fieldsV1 without these places; empty when it has no others."""
    fields: dict[str, Any] = entry.get("fieldsV1") or {}
    for pointer in pointers:
        if keys := _keys_of(fields, document, pointer):
            fields = _removed(fields, keys)
    return fields


def field_names(fields: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The leaves of a fieldsV1, as people write them: `spec.replicas`, `spec.containers[name=web].image`."""
    found: list[str] = []
    for key, inner in fields.items():
        if key == ".":
            continue
        name = prefix + _human(key, bool(prefix))
        found += field_names(inner, name) or [name]
    return found


def _human(key: str, inside: bool) -> str:
    sort, _, rest = key.partition(":")
    if sort == "f":
        return f".{rest}" if inside else rest
    if sort != "k":
        return f"[{rest}]"
    return "[" + ",".join(f"{name}={value}" for name, value in orjson.loads(rest).items()) + "]"


def _child(document: Any, part: str) -> Any:
    if isinstance(document, dict):
        return document.get(part, ABSENT)
    if isinstance(document, list) and part.isdecimal() and int(part) < len(document):
        return document[int(part)]
    return ABSENT


def _removed(document: Any, pointer: Pointer) -> Any:
    part, rest = pointer[0], pointer[1:]
    child = _child(document, part)
    if isinstance(child, Absent):
        return document
    kept = _removed(child, rest) if rest else ABSENT
    if kept is child:
        return document
    if kept in ({}, ONLY_ITSELF) and isinstance(document, dict):
        kept = ABSENT
    if isinstance(document, list):
        position = int(part)
        return [*document[:position], *([] if isinstance(kept, Absent) else [kept]), *document[position + 1 :]]
    return {key: value for key, value in document.items() if key != part} | ({} if isinstance(kept, Absent) else {part: kept})


def _last_first(pointer: Pointer) -> tuple[tuple[int, str], ...]:
    """Later items of a list sort higher, so that removing them first leaves the others where they are."""
    return tuple((int(part) if part.isdecimal() else -1, part) for part in pointer)


def _keys_of(fields: Mapping[str, Any], document: Any, pointer: Pointer) -> Pointer | None:
    """The pointer in fieldsV1's own keys; None when it is not in there."""
    keys: list[str] = []
    for part in pointer:
        key: str | None = f"f:{part}"
        child = _child(document, part)
        if isinstance(document, list):
            key = next((k for k in fields if _names_item(k, child)), None)
        if key is None or key not in fields:
            return None
        keys.append(key)
        fields, document = fields[key], child
    return tuple(keys)


def _names_item(key: str, item: Any) -> bool:
    sort, _, rest = key.partition(":")
    if sort == "k" and isinstance(item, dict):
        return all(item.get(name) == value for name, value in orjson.loads(rest).items())
    return bool(sort == "v" and orjson.loads(rest) == item)
