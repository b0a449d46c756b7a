"""spec.pathPattern: one artifact of each template for every folder that matches. Pure but for the look at the tree.

Flux: source-kustomize.md 7.2. Names and labels are lower-cased; paths of copies keep their case.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fleetloop.api.source_extensions import ArtifactGenerator, CopyOperation, OutputArtifact

_CAPTURE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"([a-z0-9]([-a-z0-9_.]*[a-z0-9])?)?")
LONGEST_LABEL = 63


class PatternError(Exception):
    """Only another spec can help; the message names the field."""


@dataclass(frozen=True, slots=True)
class Output:
    """An artifact to make; `labels`: what the pattern captured."""

    artifact: OutputArtifact
    labels: Mapping[str, str] = field(default_factory=dict)


def outputs_of(generator: ArtifactGenerator, trees: Mapping[str, Path]) -> list[Output]:
    """Raises PatternError."""
    spec = generator.spec
    if not spec.path_pattern:
        return _unique([Output(artifact) for artifact in spec.artifacts])
    alias, _, pattern = spec.path_pattern.removeprefix("@").partition("/")
    if alias not in trees:
        raise PatternError(f"spec.pathPattern: there is no source with the alias '{alias}'")
    parts = pattern.strip("/").split("/")
    made = []
    for folder in _folders(trees[alias]):
        captures = _captured(parts, folder.split("/"))
        if captures is not None:
            made += [Output(_rendered(artifact, captures), _labels(captures)) for artifact in spec.artifacts]
    return _unique(made)


def _folders(tree: Path) -> list[str]:
    return sorted(Path(place).relative_to(tree).as_posix() for place, _, _ in os.walk(tree) if Path(place) != tree)


def _captured(parts: list[str], folder: list[str]) -> dict[str, str] | None:
    """Part by part: a capture takes what is between the fixed texts around it."""
    if len(parts) != len(folder):
        return None
    captures: dict[str, str] = {}
    for part, name in zip(parts, folder, strict=True):
        found = _match(part, name)
        if found is None or any(captures.get(key, value) != value for key, value in found.items()):
            return None
        captures |= found
    return captures


def _match(part: str, name: str) -> dict[str, str] | None:
    pieces = _CAPTURE.split(part)  # text, name, text, ...
    fixed, keys = pieces[0::2], pieces[1::2]
    if not keys:
        return {} if part == name else None
    if not (name.startswith(fixed[0]) and name.endswith(fixed[-1])):
        return None
    found, rest = {}, name[len(fixed[0]) : len(name) - len(fixed[-1]) if fixed[-1] else None]
    for key, text in zip(keys[:-1], fixed[1:-1], strict=True):
        value, mark, rest = rest.partition(text) if text else (rest, "", "")
        if not value or (text and not mark):
            return None
        found[key] = value
    if not rest:
        return None
    return found | {keys[-1]: rest}


def _rendered(artifact: OutputArtifact, captures: Mapping[str, str]) -> OutputArtifact:
    name = _filled(artifact.name, captures).lower()
    if not _NAME.fullmatch(name):
        raise PatternError(f"spec.artifacts: '{name}' is no valid name of an object")
    copies = tuple(
        CopyOperation(
            from_=_filled(one.from_, captures),
            to=_filled(one.to, captures),
            exclude=tuple(_filled(pattern, captures) for pattern in one.exclude),
            strategy=one.strategy,
        )
        for one in artifact.copy
    )
    return msgspec.structs.replace(artifact, name=name, copy=copies)


def _labels(captures: Mapping[str, str]) -> dict[str, str]:
    labels = {key: value.lower() for key, value in captures.items()}
    for key, value in labels.items():
        if len(value) > LONGEST_LABEL or not _LABEL.fullmatch(value):
            raise PatternError(f"spec.pathPattern: '{value}' of capture '{key}' is no valid value of a label")
    return labels


def _filled(text: str, captures: Mapping[str, str]) -> str:
    return _CAPTURE.sub(lambda found: captures.get(found[1], found[0]), text)


def _unique(outputs: list[Output]) -> list[Output]:
    seen: set[str] = set()
    for output in outputs:
        if output.artifact.name in seen:
            raise PatternError(f"spec.artifacts: the name '{output.artifact.name}' is there twice")
        seen.add(output.artifact.name)
    return outputs
