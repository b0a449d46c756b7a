"""In which order objects are applied: stages, and the order inside one. Pure.

Flux: source-kustomize.md 8.7 (SK26). What defines others comes first; webhooks come last.
"""

from collections.abc import Collection, Iterable

from fleetloop.kube.objects import Manifest, ObjectRef, ref_of

DEFINITIONS = frozenset({"CustomResourceDefinition", "Namespace", "ClusterRole"})
FIRST = (
    "CustomResourceDefinition", "Namespace", "ClusterRole", "ClusterClass", "RuntimeClass", "PriorityClass", "StorageClass",
    "VolumeSnapshotClass", "IngressClass", "GatewayClass", "ClusterRoleBinding", "ResourceQuota", "ServiceAccount", "Role",
    "RoleBinding", "ConfigMap", "Secret", "Service", "LimitRange", "Deployment", "StatefulSet", "CronJob", "PodDisruptionBudget",
)  # fmt: skip
LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_RANK = {kind: rank for rank, kind in enumerate(FIRST)} | {kind: 1000 + rank for rank, kind in enumerate(LAST)}
_BETWEEN = 500


def stages_of(objects: Iterable[Manifest], custom_kinds: Collection[tuple[str, str]] = ()) -> list[list[Manifest]]:
    """Four stages, the empty ones left out; each sorted. `custom_kinds`: (group, kind) of the third stage."""
    stages: list[list[Manifest]] = [[], [], [], []]
    for manifest in objects:
        stages[_stage(ref_of(manifest), custom_kinds)].append(manifest)
    return [sorted(stage, key=lambda m: sort_key(ref_of(m))) for stage in stages if stage]


def is_defining(ref: ObjectRef) -> bool:
    """Stages 1 and 2: the objects after them need these to be in effect."""
    return ref.kind in DEFINITIONS or ref.kind.endswith("Class")


def in_order(refs: Iterable[ObjectRef], custom_kinds: Collection[tuple[str, str]] = ()) -> list[ObjectRef]:
    """The order of applying; deletion goes the other way round."""
    return sorted(refs, key=lambda ref: (_stage(ref, custom_kinds), sort_key(ref)))


def sort_key(ref: ObjectRef) -> tuple[int, str, str, str, str]:
    """Known kinds by rank, then group and kind, then namespace and name."""
    rank = _RANK.get(ref.kind, _BETWEEN)
    return (rank, ref.group, ref.kind, ref.namespace, ref.name)


def _stage(ref: ObjectRef, custom_kinds: Collection[tuple[str, str]]) -> int:
    if ref.kind in DEFINITIONS:
        return 0
    if ref.kind.endswith("Class"):
        return 1
    return 2 if (ref.group, ref.kind) in custom_kinds else 3
