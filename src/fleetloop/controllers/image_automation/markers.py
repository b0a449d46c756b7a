"""Finds what a file marks for updates: scalars with a comment that names a policy. Pure; changes nothing.

`# {"$imagepolicy": "<namespace>:<policy>"}`, with `:name`, `:tag` or `:digest` at the end for a part of the image, behind a
scalar or on a line of its own above it. Flux: helm-notification-image.md 5.4.
"""

import bisect
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

MARKER = '"$imagepolicy"'
DEEPEST = 1000  # collections in each other: the parser's time grows with the square of it
_COMMENT = re.compile(r"(?:(?<=\s)|^)#", re.MULTILINE)
_BEHIND = re.compile(r"[ \t]*,?[ \t]+|")  # between a scalar and its comment
_PROPERTIES = re.compile(r"(?:(?:&\S+|!\S*)\s+)*")
_BELOW = re.compile(r"(?:[ \t]*#[^\n]*\r?\n){0,20}[ \t]*(?:-[ \t]+)*")  # between a comment's line and its scalar


class NotYaml(ValueError):
    """The file cannot be read as YAML; the message says where."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value in a text. `start`, `end`: characters, without anchor and tag. `is_key`: of a mapping. `document`: its number."""

    start: int
    end: int
    value: str
    style: str  # "", ', ", | or >
    is_key: bool
    document: int
    in_flow: bool
    content_end: int  # of a block: where its last line ends, which is before comments that follow

    @property
    def is_block(self) -> bool:
        return self.style in {"|", ">"}


@dataclass(frozen=True, slots=True)
class Resource:
    """The object that a document is, as far as it says so."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Marked:
    """A scalar and what its marker says: `setter` as written, `policy` its namespace and name, `part` "", name, tag or digest."""

    scalar: Scalar
    setter: str
    policy: tuple[str, str]
    part: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """A marker that marks nothing, on a line (from 1)."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text holds: the scalars in order, and the object of each document."""

    scalars: Sequence[Scalar]
    resources: Sequence[Resource]


def parse(text: str) -> Parsed:
    """Raises NotYaml."""
    reader = _Reader(text)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise NotYaml(f"{line}{error.problem or error.context or 'it is no YAML'}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise NotYaml(str(error).partition("\n")[0]) from None
    return Parsed(reader.scalars, [Resource(**found) for found in reader.resources])


def markers(text: str, parsed: Parsed) -> Iterator[Marked | Unusable]:
    """In the order of the text."""
    seen, line, counted = -1, 1, 0
    for position in _occurrences(text):
        start = _comment_start(text, position, parsed.scalars)
        if start is None or start == seen:
            continue  # inside of a value: what that is for is not known here
        seen = start
        line, counted = line + text.count("\n", counted, start), start
        if "{" in text[start:position]:  # else it is prose
            yield _marked(text, start, line, parsed.scalars)


def _occurrences(text: str) -> Iterator[int]:
    position = text.find(MARKER)
    while position >= 0:
        yield position
        position = text.find(MARKER, position + 1)


def _comment_start(text: str, position: int, scalars: Sequence[Scalar]) -> int | None:
    """Where the comment begins that holds `position`; None when it is part of a value."""
    begin = text.rfind("\n", 0, position) + 1
    if around := _last_before(scalars, position):
        in_header = around.is_block and position < _header_end(text, around)
        if position < around.content_end and not in_header:
            return None
        begin = max(begin, around.start if in_header else around.content_end)
    found = _COMMENT.search(text, begin, position)
    return found.start() if found else None


def _marked(text: str, start: int, line: int, scalars: Sequence[Scalar]) -> Marked | Unusable:
    end = text.find("\n", start)
    comment = text[start : end if end >= 0 else len(text)]
    setter = _setter_of(comment)
    if setter is None:
        return Unusable(line, "the comment is not a JSON object whose $imagepolicy is a text")
    namespace, policy, *rest = [*setter.split(":"), ""][: max(setter.count(":") + 1, 2)]
    part = ":".join(rest)
    if not namespace or not policy or part not in {"", "name", "tag", "digest"}:
        return Unusable(line, f"'{setter}' is not <namespace>:<policy>, with :name, :tag, :digest or nothing behind it")
    scalar = _scalar_of(text, start, scalars)
    return Marked(scalar, setter, (namespace, policy), part) if scalar else Unusable(line, "it stands at no scalar")


def _setter_of(comment: str) -> str | None:
    try:
        content = json.loads(comment.lstrip("#"))
    except ValueError:
        return None
    setter = content.get("$imagepolicy") if isinstance(content, dict) else None
    return setter if isinstance(setter, str) else None


def _scalar_of(text: str, comment: int, scalars: Sequence[Scalar]) -> Scalar | None:
    """The value before the comment on its line, or the one right below when it has a line of its own."""
    line = text.rfind("\n", 0, comment) + 1
    if not text[line:comment].strip():
        return _scalar_below(text, comment, scalars)
    found = _last_before(scalars, comment)
    if found is None or found.is_key:
        return None
    if found.is_block:
        return found if comment < _header_end(text, found) else None
    return found if _BEHIND.fullmatch(text, found.end, comment) else None


def _scalar_below(text: str, comment: int, scalars: Sequence[Scalar]) -> Scalar | None:
    below = text.find("\n", comment) + 1
    gap = _BELOW.match(text, below) if below else None
    if gap is None:
        return None
    number = bisect.bisect_left(scalars, below, key=_start)
    found = scalars[number] if number < len(scalars) else None
    return found if found and found.start == gap.end() and not found.is_key else None


def _last_before(scalars: Sequence[Scalar], position: int) -> Scalar | None:
    """By bisection: files of ten thousand marked lines are read too."""
    number = bisect.bisect_left(scalars, position, key=_start)
    return scalars[number - 1] if number else None


def _start(scalar: Scalar) -> int:
    return scalar.start


def _header_end(text: str, scalar: Scalar) -> int:
    """Of a block scalar: the end of its first line."""
    end = text.find("\n", scalar.start)
    return end if end >= 0 else scalar.end


def _content_end(text: str, start: int, end: int) -> int:
    """Of a block scalar that ends, for the parser, where the next token starts."""
    header = text.find("\n", start, end)
    if header < 0:
        return end
    at, indent = header + 1, -1
    for line in text[at:end].split("\n"):
        depth = len(line) - len(line.lstrip(" ")) if line.strip() else -1
        indent = depth if indent < 0 else indent
        if 0 <= depth < indent:
            break
        at += len(line) + 1
    return min(at, end) if indent >= 0 else header


class _Reader:
    """Events to scalars, with the path to each, as far as it is needed to name the object."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.scalars: list[Scalar] = []
        self.resources: list[dict[str, str]] = []
        self._open: list[_Collection] = []

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self.resources.append({})
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            is_flow = bool(event.flow_style) or bool(self._open and self._open[-1].is_flow)
            opened = _Collection(isinstance(event, yaml.MappingStartEvent), is_flow)
            self._step("")
            self._open.append(opened)
            if len(self._open) > DEEPEST:
                raise NotYaml(f"line {event.start_mark.line + 1 if event.start_mark else 0}: deeper than {DEEPEST} levels")
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._open.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._step("")
        elif isinstance(event, yaml.ScalarEvent):
            self._take_scalar(event)

    def _take_scalar(self, event: yaml.ScalarEvent) -> None:
        assert event.start_mark and event.end_mark  # the parser gives them; events made by hand need none
        start, end = event.start_mark.index, event.end_mark.index
        if event.anchor or (start < end and self._text[start] == "!"):
            properties = _PROPERTIES.match(self._text, start, end)
            start = properties.end() if properties else start
        style = event.style if event.style in {"'", '"', "|", ">"} else ""
        path = [opened.key for opened in self._open]
        in_flow = bool(self._open and self._open[-1].is_flow)
        is_key = self._step(event.value)
        content_end = _content_end(self._text, start, end) if style in {"|", ">"} else end
        scalar = Scalar(start, end, event.value, style, is_key, len(self.resources) - 1, in_flow, content_end)
        self.scalars.append(scalar)
        if not is_key and (field := _NAMES.get(tuple(path))):
            self.resources[-1].setdefault(field, event.value)

    def _step(self, key: str) -> bool:
        """Whether the node that comes now is a key of the mapping it is in."""
        if not self._open or not self._open[-1].is_mapping:
            return False
        opened = self._open[-1]
        opened.at_key = not opened.at_key
        if not opened.at_key:
            return False
        opened.key = key
        return True


@dataclass(slots=True)
class _Collection:
    is_mapping: bool
    is_flow: bool
    at_key: bool = False
    key: str = ""


_NAMES = {
    ("apiVersion",): "api_version",
    ("kind",): "kind",
    ("metadata", "namespace"): "namespace",
    ("metadata", "name"): "name",
}
