"""Takes fields over from those who wrote an object before us: kubectl, and our own older ways of writing. Pure.

Fields of theirs that Git no longer has are then removed by our next apply, instead of staying for ever.
Flux: source-kustomize.md 8.7.
"""

from typing import Any

from fleetloop.kube.objects import Manifest, annotations_of

_OLD_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
)


def takeover_patch(live: Manifest, manager: str, extra: tuple[str, ...] = ()) -> list[dict[str, object]]:
    """A JSON patch for the live object, empty when there is nothing to take. `extra`: further managers, by exact name."""
    entries = live["metadata"].get("managedFields") or []
    foreign = [entry for entry in entries if _is_taken(entry, manager, extra)]
    if not foreign:
        return []
    own = next((e for e in entries if _is_apply_of(e, manager)), None)
    merged: dict[str, Any] = dict((own or foreign[0]).get("fieldsV1") or {})
    for entry in foreign:
        merged = _union(merged, entry.get("fieldsV1") or {})
    base = own or foreign[0]
    kept = [entry for entry in entries if entry is not own and entry not in foreign]
    ours = {key: base[key] for key in ("apiVersion", "fieldsType", "time") if key in base}
    taken = [*kept, ours | {"manager": manager, "operation": "Apply", "fieldsV1": merged}]
    patch: list[dict[str, object]] = [
        {"op": "replace", "path": "/metadata/managedFields", "value": taken},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]
    found = annotations_of(live)
    return patch + [
        {"op": "remove", "path": f"/metadata/annotations/{_escaped(key)}"} for key in _OLD_ANNOTATIONS if key in found
    ]


def _is_taken(entry: dict[str, Any], manager: str, extra: tuple[str, ...]) -> bool:
    if entry.get("subresource"):
        return False
    name, operation = entry.get("manager") or "", entry.get("operation")
    if name.startswith("kubectl") or name in extra:
        return True
    return operation == "Update" and name in {"before-first-apply", manager}


def _is_apply_of(entry: dict[str, Any], manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def _union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    result = dict(one)
    for key, value in other.items():
        result[key] = _union(result[key], value) if isinstance(result.get(key), dict) and isinstance(value, dict) else value
    return result


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
