"""Takes fields over from those who wrote an object before us: kubectl, and our own older ways of writing. Pure.

Fields of theirs that Git no longer has are then removed by our next apply, instead of staying for ever.
Flux: source-kustomize.md 8.7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fleetloop.kube.objects import Manifest, ObjectRef, annotations_of, labels_of, ref_of
from fleetloop.kube.pointers import Pointer, left_of

OLD_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
)
OLD_LABEL = "fluxcd.io/sync-gc-mark"
# What `kubectl rollout restart` writes. Taken over it would be removed by the next apply, which starts the pods once more.
RESTARTED_AT: Pointer = ("spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")


@dataclass(frozen=True, slots=True)
class Takeover:
    """From whom fields are taken for `manager`, our own: `extra` further managers by exact name, never the places `left` to
    others. `migrates`: entries under older versions of the object's API are rewritten to the one that is applied."""

    manager: str
    extra: tuple[str, ...] = ()
    migrates: bool = False


def takeover_patch(
    live: Manifest, desired: Manifest, takeover: Takeover, left: Sequence[Pointer] = ()
) -> list[dict[str, object]]:
    """A JSON patch for the live object, empty when there is nothing to take. Applies only to the version seen."""
    entries: list[dict[str, Any]] = live["metadata"].get("managedFields") or []
    wanted = _taken_over(entries, live, takeover, left)
    if takeover.migrates:
        wanted = [_migrated(entry, ref_of(live)) for entry in wanted]
    patch: list[dict[str, object]] = []
    if wanted != entries:
        patch.append({"op": "replace", "path": "/metadata/managedFields", "value": wanted})
    old = [key for key in OLD_ANNOTATIONS if key in annotations_of(live) and key not in annotations_of(desired)]
    patch += [{"op": "remove", "path": f"/metadata/annotations/{_escaped(key)}"} for key in old]
    if OLD_LABEL in labels_of(live) and OLD_LABEL not in labels_of(desired):
        patch.append({"op": "remove", "path": f"/metadata/labels/{_escaped(OLD_LABEL)}"})
    if patch:
        patch.append({"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]})
    return patch


def is_taken(entry: dict[str, Any], manager: str, extra: tuple[str, ...], live: Manifest, left: Sequence[Pointer] = ()) -> bool:
    """Whether this managedFields entry is folded into ours. One that holds nothing but places `left` to others is not."""
    name, operation = entry.get("manager") or "", entry.get("operation")
    if entry.get("subresource"):
        return False
    if not (name.startswith("kubectl") or name in extra or (operation == "Update" and name in {"before-first-apply", manager})):
        return False
    return bool(left_of(entry, live, (*left, RESTARTED_AT)))


def _taken_over(
    entries: list[dict[str, Any]], live: Manifest, takeover: Takeover, left: Sequence[Pointer]
) -> list[dict[str, Any]]:
    manager = takeover.manager
    own = next((e for e in entries if _is_apply_of(e, manager)), None)
    foreign = [e for e in entries if e is not own and is_taken(e, manager, takeover.extra, live, left)]
    if not foreign:
        return entries
    base = own or foreign[0]
    fields: dict[str, Any] = base.get("fieldsV1") or {}
    for entry in foreign:
        fields = _union(fields, entry.get("fieldsV1") or {})
    kept = [entry for entry in entries if entry is not own and entry not in foreign]
    ours = {key: base[key] for key in ("apiVersion", "fieldsType", "time") if key in base}
    return [*kept, ours | {"manager": manager, "operation": "Apply", "fieldsV1": fields}]


def _migrated(entry: dict[str, Any], ref: ObjectRef) -> dict[str, Any]:
    """Gate MigrateAPIVersion."""
    group = str(entry.get("apiVersion", "")).rpartition("/")[0]
    return entry | {"apiVersion": ref.api_version} if group == ref.group else entry


def _is_apply_of(entry: dict[str, Any], manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def _union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    result = dict(one)
    for key, value in other.items():
        result[key] = _union(result[key], value) if isinstance(result.get(key), dict) and isinstance(value, dict) else value
    return result


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
