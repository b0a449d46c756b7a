"""Foreign manifests: plain dictionaries, and the few questions asked of every one of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from fleetloop.kube.pointers import Pointer, left_of, without

_MOVES_BY_ITSELF = frozenset({"resourceVersion", "generation", "managedFields"})
Manifest: TypeAlias = dict[str, Any]
Identity: TypeAlias = tuple[str, str, str, str]  # group, kind, namespace, name


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """Names one object; `namespace` is empty for cluster scope."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        return group_of(self.api_version)

    @property
    def identity(self) -> Identity:
        """What stays the same when the version changes: (group, kind, namespace, name)."""
        return (self.group, self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        """`Kind/namespace/name`, or `Kind/name` in cluster scope, as Flux prints objects."""
        return "/".join(filter(None, (self.kind, self.namespace, self.name)))


def group_of(api_version: str) -> str:
    """`apps/v1` -> `apps`; `v1` -> the core group, an empty string."""
    return api_version.rpartition("/")[0]


def ref_of(manifest: Manifest) -> ObjectRef:
    metadata = manifest.get("metadata") or {}
    return ObjectRef(
        str(manifest.get("apiVersion", "")),
        str(manifest.get("kind", "")),
        str(metadata.get("namespace") or ""),
        str(metadata.get("name") or ""),
    )


def labels_of(manifest: Manifest) -> dict[str, str]:
    return (manifest.get("metadata") or {}).get("labels") or {}


def annotations_of(manifest: Manifest) -> dict[str, str]:
    return (manifest.get("metadata") or {}).get("annotations") or {}


def version_of(manifest: Manifest) -> int:
    """resourceVersion as a number. Versions of one server compare as integers (Kubernetes 1.35 made it a promise)."""
    return int((manifest.get("metadata") or {}).get("resourceVersion") or 0)


def fingerprint_of(manifest: Manifest, ignored: Sequence[Pointer] = ()) -> bytes:
    """The same for two versions of an object that differ in nothing but status and `ignored`: 16 bytes over its content and who
    manages it."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _MOVES_BY_ITSELF}
    managers = sorted(f"{e.get('operation')} {e.get('manager')}" for e in managers_of(manifest, ignored))
    content = {key: value for key, value in manifest.items() if key != "status"} | {"metadata": metadata}
    content = without(content, [*ignored, *_annotated_with_status(manifest)])
    return hashlib.blake2b(orjson.dumps([content, managers], option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _annotated_with_status(manifest: Manifest) -> set[Pointer]:
    """Controllers annotate what they write the status of: a Deployment has its revision from there."""
    entries = manifest["metadata"].get("managedFields") or []
    fields = [e.get("fieldsV1") or {} for e in entries if e.get("subresource") == "status"]
    keys = {key for found in fields for key in found.get("f:metadata", {}).get("f:annotations", {})}
    return {("metadata", "annotations", key.removeprefix("f:")) for key in keys}


def managers_of(manifest: Manifest, ignored: Sequence[Pointer] = ()) -> list[dict[str, Any]]:
    """The managedFields entries that hold more than status and what is `ignored`."""
    entries = [e for e in manifest["metadata"].get("managedFields") or [] if e.get("subresource") != "status"]
    return [e for e in entries if left_of(e, manifest, ignored)] if ignored else entries
