"""Places that others may change without its being drift: `spec.ignore`. Pure.

Flux: source-kustomize.md 8.8. Ignored places are left out of every comparison. When an object is written for another reason, a
place that differs is left to whoever else applies it, or keeps the value that the cluster has. A new object gets Git's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fleetloop.api.applier import IgnoreRule
from fleetloop.kube.objects import Manifest
from fleetloop.kube.pointers import ABSENT, Pointer, owns, pointer_from, value_at, with_value, without
from fleetloop.kube.selectors import Target, target_of


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    rules: tuple[tuple[Target, tuple[Pointer, ...]], ...] = ()

    def pointers_for(self, manifest: Manifest) -> tuple[Pointer, ...]:
        return tuple(pointer for target, pointers in self.rules if target.selects(manifest) for pointer in pointers)


def ignore_rules(rules: Sequence[IgnoreRule]) -> IgnoreRules:
    """Raises ValueError naming the rule and its field."""
    parsed = []
    for number, rule in enumerate(rules):
        try:
            parsed.append((target_of(rule.target), tuple(pointer_from(path) for path in rule.paths)))
        except ValueError as error:
            raise ValueError(f"spec.ignore[{number}]: {error}") from error
    return IgnoreRules(tuple(parsed))


def request_for(desired: Manifest, live: Manifest, pointers: Sequence[Pointer], manager: str) -> Manifest:
    """What to apply so that the ignored places stay as the cluster has them. `manager` is our own."""
    stripped: list[Pointer] = []
    for pointer in pointers:
        ours, theirs = value_at(desired, pointer), value_at(live, pointer)
        if ours == theirs or (ours is ABSENT and not _applied_by(live, pointer, us=manager)):
            continue
        if theirs is ABSENT or _applied_by_others(live, pointer, manager):
            stripped.append(pointer)
        else:
            desired = with_value(desired, pointer, theirs)
    return without(desired, stripped) if stripped else desired


def differs(live: Manifest, preview: Manifest, pointers: Sequence[Pointer]) -> bool:
    """Whether the apply that was previewed would change anything but the ignored places."""
    return bool(_compared(live, pointers) != _compared(preview, pointers))


def _compared(manifest: Manifest, pointers: Sequence[Pointer]) -> Any:
    metadata = {key: found for key in ("labels", "annotations") if (found := manifest["metadata"].get(key))}
    content = {key: value for key, value in manifest.items() if key not in {"status", "metadata"}}
    return without(content | ({"metadata": metadata} if metadata else {}), pointers)


def _entries(live: Manifest) -> list[dict[str, Any]]:
    return [e for e in live["metadata"].get("managedFields") or [] if e.get("operation") == "Apply" and not e.get("subresource")]


def _applied_by(live: Manifest, pointer: Pointer, us: str) -> bool:
    return any(owns(entry, live, pointer) for entry in _entries(live) if entry.get("manager") == us)


def _applied_by_others(live: Manifest, pointer: Pointer, us: str) -> bool:
    return any(owns(entry, live, pointer) for entry in _entries(live) if entry.get("manager") != us)
