"""Writes images into marked scalars, and not one byte besides: comments, quotes, indentation and line ends stay as they are.

Pure. Every edit is read again before it counts: the new text must be the old one with other values at the marks.
Flux: helm-notification-image.md 5.4; docs/differences.md says where its re-serialising is left behind.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import yaml

from fleetloop.api.image import ImageRef
from fleetloop.controllers.image_automation.markers import (
    MARKER,
    Marked,
    NotYaml,
    Parsed,
    Resource,
    Scalar,
    Unusable,
    markers,
    parse,
)

Images = Mapping[tuple[str, str], ImageRef]  # namespace and name of a policy -> what it selected
_PLAIN = re.compile(r"[A-Za-z0-9_./+~][A-Za-z0-9_./+@:~-]*")  # what may stand without quotes, in a flow too
_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?|0[xob][0-9a-fA-F_]+|[-+]?\.(inf|nan)", re.IGNORECASE)
_RESOLVER = yaml.resolver.Resolver()
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Change:
    """One scalar's. `image`: what its policy selected."""

    resource: Resource
    old_value: str
    new_value: str
    setter: str
    policy: tuple[str, str]
    image: ImageRef


@dataclass(frozen=True, slots=True)
class Edited:
    """`content` is the given one where nothing changed. `left_alone`: why marks, or the whole file, could not be followed."""

    content: bytes
    changes: tuple[Change, ...] = ()
    left_alone: tuple[str, ...] = ()


def edit(content: bytes, images: Images) -> Edited:
    """`content` of a file with its marked scalars set. Marks of policies that are not in `images` are nobody's business."""
    if MARKER.encode() not in content:
        return Edited(content)
    try:
        text = _text_of(content)
        parsed = parse(text)
    except NotYaml as error:
        return Edited(content, left_alone=(str(error),))
    edits, left_alone = _edits(text, parsed, images)
    if not edits:
        return Edited(content, left_alone=left_alone)
    new = _applied(text, edits)
    if not _differs_only_in(parsed, new, edits):
        return Edited(content, left_alone=(*left_alone, "the edited file would not be read as it ought to"))
    changes = tuple(item.change for item in edits)
    prefix = _BYTE_ORDER_MARK if content.startswith(_BYTE_ORDER_MARK.encode()) else ""
    return Edited((prefix + new).encode(), changes, left_alone)


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: str
    scalar: Scalar
    change: Change


def _text_of(content: bytes) -> str:
    """Raises NotYaml."""
    try:
        return content.decode().removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError:
        raise NotYaml("it is no UTF-8 text") from None


def _edits(text: str, parsed: Parsed, images: Images) -> tuple[list[_Edit], tuple[str, ...]]:
    edits: dict[int, _Edit] = {}
    left_alone = []
    for found in markers(text, parsed):
        if isinstance(found, Unusable):
            left_alone.append(f"line {found.line}: {found.why}")
            continue
        image = images.get(found.policy)
        wanted = value_of(image, found.part) if image else found.scalar.value
        if image is None or (wanted == found.scalar.value.rstrip("\n") and not _is_absent(found.scalar)):
            continue
        if not wanted.isprintable():
            left_alone.append(f"{found.setter}: the policy's value holds a control character")
            continue
        change = Change(parsed.resources[found.scalar.document], found.scalar.value, wanted, found.setter, found.policy, image)
        if (made := _edit(text, found, change)) is None:
            left_alone.append(f"{found.setter}: the value has several lines")
        else:
            edits[made.start] = made
    return [edits[start] for start in sorted(edits)], tuple(left_alone)


def value_of(image: ImageRef, part: str) -> str:
    """HN20: the digest of a policy without one is empty."""
    if part:
        return str(getattr(image, part))
    return f"{image.name}:{image.tag}" + (f"@{image.digest}" if image.digest else "")


def _is_absent(scalar: Scalar) -> bool:
    """`key:` with nothing behind it."""
    return scalar.start == scalar.end


def _edit(text: str, found: Marked, change: Change) -> _Edit | None:
    """None for a block of several lines."""
    scalar = found.scalar
    if scalar.is_block:
        old = scalar.value.rstrip("\n")
        header = text.find("\n", scalar.start)
        at = text.find(old, header, scalar.end) if old and header >= 0 else -1
        return None if at < 0 or "\n" in old else _Edit(at, at + len(old), change.new_value, scalar, change)
    written = _written(change.new_value, scalar.style)
    gap = " " if _is_absent(scalar) and not text[scalar.start - 1].isspace() else ""
    return _Edit(scalar.start, scalar.end, gap + written, scalar, change)


def _written(value: str, style: str) -> str:
    """In the quotes that are there. HN20: without any only what is read as a text."""
    if style == "'":
        return "'" + value.replace("'", "''") + "'"
    if style == '"' or not is_plain(value):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value


def is_plain(value: str) -> bool:
    """Whether every reader, of YAML 1.1 too, takes it for a text when it stands without quotes."""
    if not _PLAIN.fullmatch(value) or value.endswith(":") or value.lower() in {"y", "n"} or _NUMBER.fullmatch(value):
        return False
    tag = _RESOLVER.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    return bool(tag == "tag:yaml.org,2002:str")


def _applied(text: str, edits: Sequence[_Edit]) -> str:
    parts, position = [], 0
    for item in edits:
        parts += [text[position : item.start], item.text]
        position = item.end
    return "".join([*parts, text[position:]])


def _differs_only_in(before: Parsed, new: str, edits: Sequence[_Edit]) -> bool:
    """Whether the new text has the same scalars in the same places, but for the edited ones' values."""
    try:
        after = parse(new)
    except NotYaml:
        return False
    wanted = {id(item.scalar): item.change.new_value for item in edits}
    expected = [_seen(scalar, wanted.get(id(scalar))) for scalar in before.scalars]
    return expected == [_seen(scalar, None) for scalar in after.scalars]


def _seen(scalar: Scalar, value: str | None) -> Scalar:
    """Without its place; `value` instead of its own. A value is read the same with quotes or without."""
    if value is not None and scalar.is_block:
        value += "\n" * (len(scalar.value) - len(scalar.value.rstrip("\n")))
    return replace(scalar, start=0, end=0, content_end=0, style="", value=scalar.value if value is None else value)
