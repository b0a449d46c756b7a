"""spec.pathPattern: one artifact of each template for every folder that matches. Pure but for the look at the tree.

Flux: source-kustomize.md 7.2. Names and labels are lower-cased; paths of copies keep their case.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import re2  # type: ignore[import-untyped]

from fleetloop.api.source_extensions import ArtifactGenerator, OutputArtifact

_CAPTURE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
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
    matcher, made = _matcher(pattern.strip("/")), []
    for folder in _folders(trees[alias]):
        if found := matcher.fullmatch(folder):
            captures = found.groupdict()
            made += [Output(_rendered(artifact, captures), _labels(captures)) for artifact in spec.artifacts]
    return _unique(made)


def _folders(tree: Path) -> list[str]:
    return sorted(Path(place).relative_to(tree).as_posix() for place, _, _ in os.walk(tree) if Path(place) != tree)


def _matcher(pattern: str) -> Any:
    """A capture takes as much of one part of the path as it can."""
    pieces = _CAPTURE.split(pattern)  # text, name, text, ...
    fixed, keys = pieces[0::2], pieces[1::2]
    if len(set(keys)) < len(keys) or any(sign in text for text in fixed for sign in "{}"):
        raise PatternError(f"spec.pathPattern: '{pattern}' has a malformed capture, or one twice")
    groups = [f"(?P<{key}>[^/]+)" for key in keys]
    texts = [re2.escape(text) for text in fixed]
    return re2.compile(texts[0] + "".join(group + text for group, text in zip(groups, texts[1:], strict=True)))


def _rendered(artifact: OutputArtifact, captures: Mapping[str, str]) -> OutputArtifact:
    name = _filled(artifact.name, captures).lower()
    copies = tuple(
        msgspec.structs.replace(one, from_=_filled(one.from_, captures), to=_filled(one.to, captures)) for one in artifact.copy
    )
    return msgspec.structs.replace(artifact, name=name, copy=copies)


def _labels(captures: Mapping[str, str]) -> dict[str, str]:
    labels = {key: value.lower() for key, value in captures.items()}
    for key, value in labels.items():
        if len(value) > LONGEST_LABEL or not _LABEL.fullmatch(value):
            raise PatternError(f"spec.pathPattern: '{value}' of capture '{key}' is no valid value of a label")
    return labels


def _filled(text: str, captures: Mapping[str, str]) -> str:
    if unknown := set(_CAPTURE.findall(text)) - captures.keys():
        raise PatternError(f"spec.artifacts: '{text}' names '{min(unknown)}', which spec.pathPattern does not capture")
    return _CAPTURE.sub(lambda found: captures[found[1]], text)


def is_name(text: str) -> bool:
    """Of an object, so of a folder too: it leads nowhere else."""
    return bool(_NAME.fullmatch(text))


def _unique(outputs: list[Output]) -> list[Output]:
    seen: set[str] = set()
    for output in outputs:
        name = output.artifact.name
        if not is_name(name):
            raise PatternError(f"spec.artifacts: '{name[:253]}' is no valid name of an object")
        if name in seen:
            raise PatternError(f"spec.artifacts: the name '{name}' is there twice")
        seen.add(name)
    return outputs
