"""The few things a build asks of an object it does not know."""

from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]


def kustomize_name_of(manifest: Mapping[str, Any]) -> str:
    """kustomize's way to write an object: `ConfigMap.v1.[noGrp]/settings`."""
    group, _, version = str(manifest.get("apiVersion", "")).rpartition("/")
    name = manifest.get("metadata", {}).get("name", "")
    return f"{manifest.get('kind') or '[noKind]'}.{version or '[noVer]'}.{group or '[noGrp]'}/{name}"


def name_of(manifest: Mapping[str, Any]) -> str:
    """`Secret/apps/token`, or `Namespace/apps` without a namespace."""
    metadata = manifest.get("metadata", {})
    return "/".join(part for part in (manifest.get("kind"), metadata.get("namespace"), metadata.get("name")) if part)


def is_secret(manifest: Mapping[str, Any]) -> bool:
    return manifest.get("apiVersion") == "v1" and manifest.get("kind") == "Secret"
