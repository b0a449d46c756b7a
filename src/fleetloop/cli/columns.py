"""What `get` shows of an object, by kind. Pure: manifests to cells."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleetloop.api.kinds import Kind
from fleetloop.api.names import ARTIFACT_GENERATOR_RECONCILE, SOURCE_GROUP
from fleetloop.kube.kstatus import condition
from fleetloop.kube.objects import Manifest, annotations_of

_DIGEST = re.compile(r"\b[a-f0-9]{40,128}\b")


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    cell: Callable[[Manifest], str]


def columns_of(kind: Kind, *, show_source: bool = False) -> list[Column]:
    """The columns after Namespace and Name."""
    source = [Column("Source", _APPLIED_FROM[kind.kind])] if show_source and kind.kind in _APPLIED_FROM else []
    suspended = [] if kind.kind in _WITHOUT_SUSPENDED else [Column("Suspended", is_suspended)]
    shorten = shortened if kind.group == SOURCE_GROUP or kind.kind == "Kustomization" else str
    ready = [
        Column("Ready", lambda obj: ready_of(kind, obj)[0]),
        Column("Message", lambda obj: shorten(ready_of(kind, obj)[1])),
    ]
    return [*source, *_LEADING.get(kind.kind, ()), *suspended, *ready]


def ready_of(kind: Kind, obj: Manifest) -> tuple[str, str]:
    """(status, message) of the Ready condition; kinds without a status are always ready."""
    if kind.static:
        return "True", f"{kind.kind} is Ready"
    if is_oci_helm_repository(obj):
        return "True", "Helm repository is Ready"
    ready = condition(obj, "Ready")
    if ready is None:
        return "False", "waiting to be reconciled"
    return str(ready.get("status") or ""), str(ready.get("message") or "")


def is_oci_helm_repository(obj: Manifest) -> bool:
    """A HelmRepository of type oci is settings only: nobody reconciles it."""
    return obj.get("kind") == "HelmRepository" and at(obj, "spec", "type") == "oci"


def shortened(text: str) -> str:
    """⚠ CLI9: hex runs of 40 to 128 characters keep their first 8; only for Kustomizations and sources."""
    return _DIGEST.sub(lambda found: found[0][:8], text)


def is_suspended(obj: Manifest) -> str:
    if obj.get("kind") == "ArtifactGenerator":
        return "True" if annotations_of(obj).get(ARTIFACT_GENERATOR_RECONCILE, "").lower() == "disabled" else "False"
    return "True" if at(obj, "spec", "suspend") else "False"


def revision_of_release(obj: Manifest) -> str:
    """The chart version last released, else last attempted."""
    history = at(obj, "status", "history")
    latest = history[0].get("chartVersion") if history else ""
    return str(latest or at(obj, "status", "lastAttemptedRevision") or "")


def local_time(timestamp: str) -> str:
    """RFC 3339 in the local zone, as Go prints it: `Z` where the offset is none."""
    if not timestamp:
        return ""
    return datetime.fromisoformat(timestamp).astimezone().isoformat().replace("+00:00", "Z")


def at(obj: Any, *path: str) -> Any:
    """The value at a path of an object, None where a part is missing."""
    for part in path:
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def text_at(obj: Manifest, *path: str) -> str:
    return str(at(obj, *path) or "")


def reference(obj: Manifest, ref: Any, default_namespace: str) -> str:
    """`Kind/namespace/name` of a reference inside an object."""
    ref = ref or {}
    return f"{ref.get('kind', '')}/{ref.get('namespace') or default_namespace}/{ref.get('name', '')}"


def source_ref_of(obj: Manifest) -> Any:
    """What a Kustomization or HelmRelease is made from."""
    return at(obj, "spec", "chartRef") or at(obj, "spec", "chart", "spec", "sourceRef") or at(obj, "spec", "sourceRef")


def _applied_from(obj: Manifest) -> str:
    return reference(obj, source_ref_of(obj), obj["metadata"].get("namespace", ""))


def _artifact_revision(obj: Manifest) -> str:
    return shortened(text_at(obj, "status", "artifact", "revision"))


_APPLIED_FROM: dict[str, Callable[[Manifest], str]] = {"Kustomization": _applied_from, "HelmRelease": _applied_from}
_WITHOUT_SUSPENDED = {"Provider", "ImagePolicy", "ExternalArtifact"}
_REVISION = (Column("Revision", _artifact_revision),)
_LEADING: dict[str, tuple[Column, ...]] = {
    "Kustomization": (Column("Revision", lambda obj: shortened(text_at(obj, "status", "lastAppliedRevision"))),),
    "HelmRelease": (Column("Revision", revision_of_release),),
    "GitRepository": _REVISION,
    "OCIRepository": _REVISION,
    "Bucket": _REVISION,
    "HelmRepository": _REVISION,
    "HelmChart": (Column("Revision", lambda obj: text_at(obj, "status", "artifact", "revision")),),
    "ExternalArtifact": (*_REVISION, Column("Source", lambda obj: reference(obj, at(obj, "spec", "sourceRef"), ""))),
    "ImageRepository": (
        Column("Last scan", lambda obj: local_time(text_at(obj, "status", "lastScanResult", "scanTime"))),
    ),
    "ImagePolicy": (
        Column("Image", lambda obj: text_at(obj, "status", "latestRef", "name")),
        Column("Tag", lambda obj: text_at(obj, "status", "latestRef", "tag")),
    ),
    "ImageUpdateAutomation": (Column("Last run", lambda obj: local_time(text_at(obj, "status", "lastAutomationRunTime"))),),
}  # fmt: skip
