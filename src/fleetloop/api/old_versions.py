"""Versions of the API that repositories still declare: the fields they had, and such an object in the current version.

The API server converts between versions by name alone and stores the current one, so a field that only an old version
knows is dropped when it is written there. What such a field still means is therefore carried over before an object of
a source is applied: `upgraded`. Old patches become `patches`, `valuesFile` one of the `valuesFiles`; `accessFrom`,
`gitImplementation` and `validation` have had no effect for years.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from .applier import Selector
from .kinds import KINDS
from .meta import AccessFrom, Status, Value
from .schema import INITIAL_STATUS, Schema

Manifest = dict[str, Any]

_Anything = Annotated[Any, Schema(preserve_unknown=True)]


class Json6902Patch(Value):
    """A list of JSON 6902 operations, and what it applies to."""

    patch: tuple[_Anything, ...]
    target: Selector


_MERGES, _OPERATIONS = tuple[_Anything, ...], tuple[Json6902Patch, ...]
_STATUS = {"status": Annotated[Status, INITIAL_STATUS]}
_KUSTOMIZATION = {
    "spec.patchesJson6902": _OPERATIONS,
    "spec.patchesStrategicMerge": _MERGES,
    "spec.validation": Literal["none", "client", "server"],
}
_HELM_RELEASE = {
    "spec.chart.spec.valuesFile": str,
    "spec.postRenderers[].kustomize.patchesJson6902": _OPERATIONS,
    "spec.postRenderers[].kustomize.patchesStrategicMerge": _MERGES,
    "status.lastAppliedRevision": str,
}
_GIT_REPOSITORY = {
    "spec.accessFrom": AccessFrom,
    "spec.gitImplementation": Annotated[Literal["go-git", "libgit2"], Schema(default="go-git")],
    "status.url": str,
}
_HELM_CHART = {"spec.accessFrom": AccessFrom, "spec.valuesFile": str}
_CHECKSUM = {"status.artifact.checksum": str}

FIELDS_ADDED: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("Kustomization", "v1beta1"): _KUSTOMIZATION | {"status.snapshot": dict[str, _Anything]},
    ("Kustomization", "v1beta2"): _KUSTOMIZATION,
    ("HelmRelease", "v2beta1"): _HELM_RELEASE,
    ("HelmRelease", "v2beta2"): _HELM_RELEASE,
    ("GitRepository", "v1beta1"): _GIT_REPOSITORY | _CHECKSUM | {"status.includedArtifacts[].checksum": str},
    ("GitRepository", "v1beta2"): _GIT_REPOSITORY | {"status.contentConfigChecksum": str},
    ("OCIRepository", "v1beta2"): {"status.contentConfigChecksum": str},
    ("HelmRepository", "v1beta1"): _CHECKSUM,
    ("HelmChart", "v1beta1"): _HELM_CHART | _CHECKSUM,
    ("HelmChart", "v1beta2"): _HELM_CHART,
    ("Bucket", "v1beta1"): {"spec.accessFrom": AccessFrom} | _CHECKSUM,
    ("Bucket", "v1beta2"): {"spec.accessFrom": AccessFrom},
    ("ImagePolicy", "v1beta1"): {"status.latestImage": str},
    ("ImagePolicy", "v1beta2"): {"status.latestImage": str, "status.observedPreviousImage": str},
    ("Receiver", "v1beta1"): {"status.url": str},
    ("Receiver", "v1beta2"): {"status.url": str},
    ("Alert", "v1beta1"): _STATUS,
    ("Alert", "v1beta2"): _STATUS,
    ("Provider", "v1beta1"): _STATUS,
    ("Provider", "v1beta2"): _STATUS,
}
"""By kind and version: path -> type of what the current version does not have."""

CARRIED = frozenset({"patchesJson6902", "patchesStrategicMerge", "valuesFile"})
"""The old fields that still mean something."""


def upgraded(manifest: Manifest) -> Manifest:
    """The object in the current version of its kind; any other object, and one that is current, as it is.

    Pure: the argument is not changed. What does not have the shape of the schema is left for the API server to refuse.
    """
    kind = _CURRENT_KINDS.get((manifest.get("apiVersion", ""), manifest.get("kind", "")))
    if kind is None:
        return manifest
    result = manifest | {"apiVersion": kind.api_version}
    spec = manifest.get("spec")
    if not isinstance(spec, dict):
        return result
    match kind.kind:
        case "Kustomization":
            spec = _without(_with_patches(spec), "validation")
        case "HelmRelease":
            spec = _release(spec)
        case "HelmChart":
            spec = _without(_with_values_files(spec), "accessFrom")
        case "GitRepository" | "Bucket":
            spec = _without(spec, "accessFrom", "gitImplementation")
    return result | {"spec": spec}


_CURRENT_KINDS = {(f"{kind.group}/{version}", kind.kind): kind for kind in KINDS for version in kind.deprecated_versions}


def _without(spec: Manifest, *names: str) -> Manifest:
    return {name: value for name, value in spec.items() if name not in names}


def _release(spec: Manifest) -> Manifest:
    result = dict(spec)
    chart = spec.get("chart")
    if isinstance(chart, dict) and isinstance(chart.get("spec"), dict):
        result["chart"] = chart | {"spec": _with_values_files(chart["spec"])}
    if isinstance(renderers := spec.get("postRenderers"), list):
        result["postRenderers"] = [_renderer(renderer) for renderer in renderers]
    return result


def _renderer(renderer: Any) -> Any:
    if isinstance(renderer, dict) and isinstance(renderer.get("kustomize"), dict):
        return renderer | {"kustomize": _with_patches(renderer["kustomize"])}
    return renderer


def _with_values_files(spec: Manifest) -> Manifest:
    """The single file came before the others."""
    if not spec.get("valuesFile"):
        return _without(spec, "valuesFile")
    return _without(spec, "valuesFile") | {"valuesFiles": [spec["valuesFile"], *(spec.get("valuesFiles") or [])]}


def _with_patches(spec: Manifest) -> Manifest:
    """In kustomize's order: strategic merges, then `patches`, then JSON 6902. JSON text is YAML text."""
    merges = [{"patch": _text(merge)} for merge in spec.get("patchesStrategicMerge") or []]
    operations = [one | {"patch": _text(one.get("patch"))} for one in spec.get("patchesJson6902") or []]
    patches = merges + (spec.get("patches") or []) + operations
    result = _without(spec, "patchesStrategicMerge", "patchesJson6902")
    return result | {"patches": patches} if patches else result


def _text(patch: Any) -> str:
    return patch if isinstance(patch, str) else json.dumps(patch, ensure_ascii=False)
