"""Reads the published schema (tests/cases/crds.txt, one line a field) and one of our CRDs into the same facts."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Fact = dict[str, Any]

_ATTRIBUTES = {
    "x-kubernetes-list-type": "list-type",
    "x-kubernetes-list-map-keys": "list-map-keys",
    "x-kubernetes-map-type": "map-type",
    "x-kubernetes-preserve-unknown-fields": "preserve-unknown-fields",
}
_STRUCTURE = {"type", "properties", "items", "additionalProperties", "required", "x-kubernetes-validations"}


@dataclass
class PublishedKind:
    """What the file says of one kind: the lines above its fields as they are, and a fact for each field."""

    api_version: str
    headings: list[str] = field(default_factory=list)
    fields: dict[str, Fact] = field(default_factory=dict)


def published(path: Path) -> dict[str, PublishedKind]:
    kinds: dict[str, PublishedKind] = {}
    for line in path.read_text().splitlines():
        if line.startswith("## "):
            api_version, kind = line[3:].split()
            current = kinds[kind] = PublishedKind(api_version)
        elif re.match(r"(spec|status)\b[^:]*: ", line):
            name, _, text = line.partition(": ")
            current.fields[name] = _fact_in(text)
        elif line:
            current.headings.append(line)
    return kinds


def added_fields(path: Path) -> dict[tuple[str, str], dict[str, Fact]]:
    """The file about old versions: (kind, version) -> the fields today's schema does not have."""
    versions: dict[tuple[str, str], dict[str, Fact]] = {}
    for line in path.read_text().splitlines():
        if found := re.match(r"## \S+/(\S+) (\S+) \(now", line):
            current = versions[found[2], found[1]] = {}
        elif re.match(r"(spec|status)\b[^:]*: ", line):
            name, _, text = line.partition(": ")
            current[name] = _fact_in(text)
    return versions


def _fact_in(text: str) -> Fact:
    words = re.match(r"(\w+)( required)?", text)
    assert words
    fact: Fact = {"type": words[1], "required": bool(words[2]), "rules": []}
    position = words.end()
    while position < len(text):
        name = re.compile(r" ([\w-]+)=").match(text, position)
        assert name, text[position:]
        value, position = json.JSONDecoder().raw_decode(text, name.end())
        if name[1] == "rule":
            fact["rules"].append(value)
        elif name[1] == "message":
            fact["rules"][-1] = (fact["rules"][-1], value)
        else:
            fact[name[1]] = value
    return fact


def facts_of(schema: dict[str, Any]) -> dict[str, Fact]:
    """Of an object's schema: every field below `spec` and `status`."""
    parts = {name: part for name, part in schema["properties"].items() if name in ("spec", "status")}
    return dict(_fields({"properties": parts}, ""))


def _fields(schema: dict[str, Any], prefix: str) -> Iterator[tuple[str, Fact]]:
    children = {f"{prefix}.{name}".lstrip("."): child for name, child in schema.get("properties", {}).items()}
    if "items" in schema:
        children[f"{prefix}[]"] = schema["items"]
    if "additionalProperties" in schema:
        children[f"{prefix}.<key>"] = schema["additionalProperties"]
    for path, child in children.items():
        yield path, _fact_of(child, path.rpartition(".")[2] in schema.get("required", []))
        yield from _fields(child, path)


def _fact_of(schema: dict[str, Any], required: bool) -> Fact:
    rules = [(rule["rule"], rule["message"]) for rule in schema.get("x-kubernetes-validations", [])]
    fact: Fact = {"type": schema.get("type", "any"), "required": required, "rules": rules}
    return fact | {_ATTRIBUTES.get(name, name): value for name, value in schema.items() if name not in _STRUCTURE}
