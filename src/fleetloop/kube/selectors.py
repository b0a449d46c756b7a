"""Which objects a rule concerns: anchored patterns and label selectors. Pure.

Patterns come from tenants, so RE2 reads them: it has no pattern that takes for ever.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import re2  # type: ignore[import-untyped]

from fleetloop.api.applier import Selector
from fleetloop.kube.objects import Manifest, annotations_of, labels_of, ref_of

_MEMORY = 1 << 20  # bytes, for one pattern
_PATTERNS = ("group", "version", "kind", "name", "namespace")
Holds = Callable[[Mapping[str, str]], bool]


class Pattern(Protocol):
    def fullmatch(self, text: str) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """Everything that is asked for must hold; nothing asked for means every object."""

    patterns: tuple[tuple[str, Pattern], ...]
    labels: Holds
    annotations: Holds

    def selects(self, manifest: Manifest) -> bool:
        ref = ref_of(manifest)
        version = ref.api_version.rpartition("/")[2]
        found = {"group": ref.group, "version": version, "kind": ref.kind, "name": ref.name, "namespace": ref.namespace}
        return (
            all(pattern.fullmatch(found[field]) for field, pattern in self.patterns)
            and self.labels(labels_of(manifest))
            and self.annotations(annotations_of(manifest))
        )


def target_of(selector: Selector | None) -> Target:
    """Raises ValueError naming the field."""
    selector = selector or Selector()
    asked = [(field, text) for field in _PATTERNS if (text := getattr(selector, field))]
    return Target(
        tuple((field, _pattern(field, text)) for field, text in asked),
        label_selector(selector.label_selector, "labelSelector"),
        label_selector(selector.annotation_selector, "annotationSelector"),
    )


def label_selector(text: str, field: str = "labelSelector") -> Holds:
    """Kubernetes' selectors: `a=b, c!=d, e in (x,y), f notin (z), g, !h`. Raises ValueError naming the field."""
    requirements = [_requirement(part, field) for part in _parts(text)]
    return lambda labels: all(holds(labels) for holds in requirements)


def _pattern(field: str, text: str) -> Pattern:
    options = re2.Options()
    options.log_errors, options.max_mem = False, _MEMORY
    try:
        compiled: Pattern = re2.compile(text, options)
        return compiled
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
        raise ValueError(f"{field}: invalid regular expression {text!r}: {reason}") from None


def _parts(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for position, sign in enumerate(text + ","):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [part for part in parts if part]


def _requirement(text: str, field: str) -> Holds:
    words = text.replace("(", " (").split(maxsplit=2)
    if len(words) == 3 and words[1] in {"in", "notin"} and words[2].startswith("(") and words[2].endswith(")"):
        values = {value.strip() for value in words[2][1:-1].split(",")}
        if words[1] == "in":
            return lambda labels: labels.get(words[0]) in values
        return lambda labels: labels.get(words[0]) not in values
    if "!=" in text:
        key, _, value = (word.strip() for word in text.partition("!="))
        return lambda labels: labels.get(key) != value
    if "=" in text:
        key, _, value = (word.strip() for word in text.replace("==", "=").partition("="))
        return lambda labels: labels.get(key) == value
    negated, key = text.startswith("!"), text.removeprefix("!").strip()
    if not key or set(key) & set(" ()<>!"):
        raise ValueError(f"{field}: unable to parse requirement {text!r}")
    return lambda labels: (key in labels) is not negated
