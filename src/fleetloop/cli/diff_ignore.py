"""spec.ignore of a Kustomization: paths that others may change, by object. Pure. Flux: source-kustomize.md 8.8."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fleetloop.kube.objects import Manifest, annotations_of, labels_of, ref_of


def without_ignored(manifest: Manifest, rules: Sequence[Mapping[str, Any]]) -> Manifest:
    """A copy without the paths (JSON pointers) of the rules that concern the object."""
    paths = [path for rule in rules if _concerns(rule.get("target") or {}, manifest) for path in rule.get("paths") or ()]
    if not paths:
        return manifest
    found = copy.deepcopy(manifest)
    for path in paths:
        _remove(found, [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]])
    return found


def _concerns(target: Mapping[str, str], manifest: Manifest) -> bool:
    ref = ref_of(manifest)
    asked = {"group": ref.group, "version": ref.api_version.rpartition("/")[2], "kind": ref.kind, "name": ref.name}
    asked["namespace"] = ref.namespace
    if not all(re.fullmatch(target[field], value) for field, value in asked.items() if target.get(field)):
        return False
    selectors = (("labelSelector", labels_of(manifest)), ("annotationSelector", annotations_of(manifest)))
    return all(_selects(target.get(field) or "", values) for field, values in selectors)


def _selects(selector: str, values: Mapping[str, str]) -> bool:
    """`a=b,c!=d,e,!f`; a selector of sets (`in`) selects nothing, so that a drift is shown rather than hidden."""
    return all(_requires(part.strip(), values) for part in selector.split(",") if part.strip())


def _requires(part: str, values: Mapping[str, str]) -> bool:
    if "!=" in part:
        key, value = part.split("!=", 1)
        return values.get(key.strip()) != value.strip()
    if "=" in part:
        key, _, value = part.replace("==", "=").partition("=")
        return values.get(key.strip()) == value.strip()
    return part[1:].strip() not in values if part.startswith("!") else part in values


def _remove(value: Any, path: list[str]) -> None:
    for part in path[:-1]:
        value = _step(value, part)
    last = path[-1] if path else ""
    if isinstance(value, dict):
        value.pop(last, None)
    elif isinstance(value, list) and last.isdigit() and int(last) < len(value):
        del value[int(last)]


def _step(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and part.isdigit() and int(part) < len(value):
        return value[int(part)]
    return None
