"""YAML as kubectl, Flux and Helm write and read it: that of Go's sigs.k8s.io/yaml, where a document is what JSON can say.

For small files: a fleet's own configuration, exports, generated manifests. Source trees are parsed by the engine.
"""

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

import yaml

_LARGEST = 1_000_000  # values in one document, aliases counted where they are used
_DEEPEST = 200
_TOO_MUCH = "document is too large, too deep, or contains excessive aliasing"

_MERGE_TAG = "tag:yaml.org,2002:merge"
_TEXT_TAG = "tag:yaml.org,2002:str"  # the emitter writes every scalar as if it were text: quotes are ours to choose

_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {word: True for name in ("y", "yes", "on", "true") for word in (name, name.title(), name.upper())} | {
    word: False for name in ("n", "no", "off", "false") for word in (name, name.title(), name.upper())
}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INTEGER = re.compile(r"([-+]?)(0[xX]|0[bB]|0[oO]?)?([0-9a-fA-F]+)", re.ASCII)
_BASES = {"0x": 16, "0b": 2, "0o": 8, "0": 8, "": 10}
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?", re.ASCII)
_TIMESTAMP = re.compile(
    r"[0-9]{4}-(0?[1-9]|1[0-2])-(0?[1-9]|[12][0-9]|3[01])"
    r"([Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]*)?(Z|[-+][0-9]{2}:[0-9]{2})|"
    r" [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]*)?)?",
    re.ASCII,
)
_UNICODE_BREAKS = set("\x85\u2028\u2029")
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)


class InvalidYAML(ValueError):
    """The text is no YAML, or says something that JSON cannot; the message tells where."""


def load(text: str | bytes) -> Any:
    """The only document of a text; None when it is empty. Raises InvalidYAML.

    `y`, `n`, `on`, `off` are booleans, `014` and `0o14` are 12, dates stay strings, the last of equal keys wins.
    """
    documents = load_all(text)
    if len(documents) > 1:
        raise InvalidYAML("more than one document")
    return documents[0] if documents else None


def load_all(text: str | bytes) -> list[Any]:
    """Every document of a text, empty ones as None. Raises InvalidYAML."""
    try:
        return [_Plainer().plain(document) for document in yaml.load_all(text, _Loader)]
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise InvalidYAML(f"{where}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise InvalidYAML(str(error).partition("\n")[0]) from None
    except RecursionError:
        raise InvalidYAML(f"nested deeper than {_DEEPEST} levels") from None


def dump(document: Any) -> str:
    """One document: sorted keys, two spaces, sequences at the level of their key. Ends with a newline."""
    text: str = yaml.dump(document, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n")


def dump_all(documents: Iterable[Any]) -> str:
    """Documents joined by `---` lines, with none before the first."""
    return "---\n".join(map(dump, documents))


def scalar_of(text: str) -> Any:
    """What an unquoted scalar means."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _NOT_JSON.fullmatch(text):
        raise InvalidYAML(f"{text} is no number of JSON")
    return _number_in(text) if text[0] in "+-.0123456789" else text


def _number_in(text: str) -> int | float | str:
    number = text if text[0] == "." else text.replace("_", "")
    if found := _INTEGER.fullmatch(number):
        with suppress(ValueError):  # `08` and `1e3` are floats
            value = int(found[1] + found[3], _BASES[(found[2] or "").lower()])
            if -(2**63) <= value < 2**64:
                return value
    if _FLOAT.fullmatch(number) and math.isfinite(approximation := float(number)):
        return int(approximation) if approximation.is_integer() and abs(approximation) < 1e21 else approximation
    return text


class _Loader(yaml.CSafeLoader):
    """PyYAML's parser; all plain scalars get one tag, because its own rules for them are not Go's."""

    yaml_implicit_resolvers = {
        "<": [(_MERGE_TAG, re.compile("<<$"))],
        None: [("!plain", re.compile(""))],
        "": [("!plain", re.compile(""))],
    }

    def __init__(self, text: str | bytes) -> None:
        super().__init__(text)
        self._merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """As Go reads `<<`: what it brings stands where it stands, later pairs win; of a list's mappings the first wins."""
        pairs: dict[object, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            for pair in self._merged_by(value) if key.tag == _MERGE_TAG else [(key, value)]:
                name = (pair[0].tag, pair[0].value) if isinstance(pair[0], yaml.ScalarNode) else pair[0]
                pairs.pop(name, None)
                pairs[name] = pair
        node.value = list(pairs.values())

    def _merged_by(self, value: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        for mapping in reversed(value.value) if isinstance(value, yaml.SequenceNode) else [value]:
            if not isinstance(mapping, yaml.MappingNode):
                problem = "`<<` takes a mapping or a list of mappings"
                raise yaml.constructor.ConstructorError(problem=problem, problem_mark=mapping.start_mark)
            self.flatten_mapping(mapping)
            self._merged += len(mapping.value)
            if self._merged > _LARGEST:
                raise InvalidYAML(_TOO_MUCH)
            yield from mapping.value


def _construct_plain(loader: _Loader, node: yaml.ScalarNode) -> Any:
    return scalar_of(loader.construct_scalar(node))


_Loader.add_constructor("!plain", _construct_plain)
_Loader.add_constructor(_MERGE_TAG, _construct_plain)  # `<<` that is no key


class _Plainer:
    """Copies a document with the keys that JSON has, and counts, so that aliases cannot make a small text huge."""

    def __init__(self) -> None:
        self._values = 0

    def plain(self, value: Any, depth: int = 0) -> Any:
        self._values += 1
        if self._values > _LARGEST or depth > _DEEPEST:
            raise InvalidYAML(_TOO_MUCH)
        if isinstance(value, dict):
            return {_key(key): self.plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.plain(item, depth + 1) for item in value]
        if value is None or isinstance(value, str | int | float):
            return value
        raise InvalidYAML(f"{value!r} is nothing that JSON has")


def text_of(scalar: object) -> str | None:
    """A scalar where text is wanted, as Go's tools take it: `on` is `true`, `010` is `8`. None for what is no scalar."""
    if isinstance(scalar, bool):
        return str(scalar).lower()
    if isinstance(scalar, int | float):
        return _number(scalar)
    return scalar if isinstance(scalar, str) else "" if scalar is None else None


def _key(key: Any) -> str:
    if key is None or (text := text_of(key)) is None:
        raise InvalidYAML(f"{key!r} is no key of an object")
    return text


class _Dumper(yaml.CSafeDumper):
    """PyYAML's emitter, which folds and picks quotes as Go's port of it does, once it is told what needs quotes."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    style = None
    if "\n" in text:
        style = "|"
    elif _reads_as_something_else(text):
        style = '"'
    return dumper.represent_scalar(_TEXT_TAG, text, style=style)


def _reads_as_something_else(text: str) -> bool:
    if any(pattern.fullmatch(text) for pattern in (_NOT_JSON, _BASE_60, _TIMESTAMP)):
        return True
    return not isinstance(scalar_of(text), str) or not _UNICODE_BREAKS.isdisjoint(text)


def _represent_mapping(dumper: _Dumper, mapping: dict[str, Any]) -> yaml.Node:
    pairs = sorted(mapping.items(), key=lambda pair: _natural_order(pair[0]))
    return dumper.represent_mapping("tag:yaml.org,2002:map", pairs, flow_style=not mapping)


def _represent_sequence(dumper: _Dumper, sequence: Iterable[Any]) -> yaml.Node:
    items = list(sequence)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=not items)


def _represent_plain(dumper: _Dumper, value: float | bool | None) -> yaml.Node:
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else _number(value)
    return dumper.represent_scalar(_TEXT_TAG, text)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(dict, _represent_mapping)
for _sequence in (list, tuple):
    _Dumper.add_representer(_sequence, _represent_sequence)
for _plain in (int, float, bool, type(None)):
    _Dumper.add_representer(_plain, _represent_plain)


def _number(number: float) -> str:
    """As Go writes a float64: the shortest digits that read back, with an exponent below 1e-04 and from 1e+06."""
    if isinstance(number, int):
        return str(number)
    if not math.isfinite(number):
        raise InvalidYAML(f"{number} is no number of JSON")
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    power = len(digits) + int(exponent) - 1
    if -4 <= power < 6 or not number:
        return repr(number).removesuffix(".0")
    first, *others = map(str, digits)
    mantissa = f"{first}.{''.join(others)}" if others else first
    return f"{'-' * sign}{mantissa}e{power:+03d}"


def _compare(one: str, other: str) -> int:
    """Letters after other characters, and runs of digits by their value."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a == b:
            continue
        if a.isalpha() or b.isalpha():
            return _order((a.isalpha(), a), (b.isalpha(), b))
        return _order((*_digits(one, place), a), (*_digits(other, place), b))
    return _order(len(one), len(other))


def _digits(text: str, place: int) -> tuple[int, int]:
    """The number around a place, and where it ends."""
    start = end = place
    while start > 0 and text[start - 1] in _DIGITS:
        start -= 1
    while end < len(text) and text[end] in _DIGITS:
        end += 1
    return int(text[start:end] or "0"), end


def _order(a: Any, b: Any) -> int:
    return int(a > b) - int(a < b)


_DIGITS = frozenset("0123456789")
_natural_order = cmp_to_key(_compare)
