"""Labels and annotations that a Kustomization puts on everything it builds. Pure."""

from collections.abc import Mapping, Sequence

from fleetloop.build.manifest import Manifest

OWNER = "kustomize.toolkit.fluxcd.io"


def label_objects(
    objects: Sequence[Manifest],
    owner_name: str,
    owner_namespace: str,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> list[Manifest]:
    """Owner labels, then spec.commonMetadata's labels and annotations, which win even over those (contract 8.1)."""
    owner = {f"{OWNER}/name": owner_name, f"{OWNER}/namespace": owner_namespace}
    return [_with_metadata(manifest, {**owner, **(labels or {})}, annotations or {}) for manifest in objects]


def _with_metadata(manifest: Manifest, labels: Mapping[str, str], annotations: Mapping[str, str]) -> Manifest:
    metadata = {**manifest["metadata"]}
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    if annotations:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    return {**manifest, "metadata": metadata}
