"""Which objects a Kustomization owns, as `status.inventory` writes them. Pure.

An id is `<namespace>_<name>_<group>_<kind>`; colons in names of RBAC kinds are written `__` (Flux: source-kustomize.md 8.9).
"""

from collections.abc import Iterable

from fleetloop.kube.objects import ObjectRef

_RBAC_KINDS = frozenset({"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})
_RBAC_GROUP = "rbac.authorization.k8s.io"


def id_of(ref: ObjectRef) -> str:
    name = ref.name.replace(":", "__") if _is_rbac(ref.group, ref.kind) else ref.name
    return f"{ref.namespace}_{name}_{ref.group}_{ref.kind}"


def ref_from(entry_id: str, version: str) -> ObjectRef:
    """The object an entry names. Raises ValueError for a malformed id, quoting it."""
    parts = entry_id.split("_")
    if len(parts) < 4 or not parts[-1]:
        raise ValueError(f"inventory id {entry_id!r} is malformed")
    namespace, group, kind = parts[0], parts[-2], parts[-1]
    name = "_".join(parts[1:-2])
    if _is_rbac(group, kind):
        name = name.replace("__", ":")
    return ObjectRef("/".join(filter(None, (group, version))), kind, namespace, name)


def stale(old: Iterable[ObjectRef], new: Iterable[ObjectRef]) -> list[ObjectRef]:
    """Owned before and not any more; a change of version alone is no change of object."""
    kept = {ref.identity for ref in new}
    return [ref for ref in old if ref.identity not in kept]


def _is_rbac(group: str, kind: str) -> bool:
    return group == _RBAC_GROUP and kind in _RBAC_KINDS
