"""What an object itself says about how it is handled: `kustomize.toolkit.fluxcd.io/...` labels and annotations. Pure.

Values compare without case, and a label counts like an annotation (Flux: source-kustomize.md 8.7).
"""

from fleetloop.kube.objects import Manifest, annotations_of, labels_of

GROUP = "kustomize.toolkit.fluxcd.io"
DRIFT_REPAIR = "kustomize.fleetloop.dev/drift-repair"


def says(manifest: Manifest | None, switch: str, value: str) -> bool:
    """`says(m, "prune", "disabled")`."""
    if manifest is None:
        return False
    key = f"{GROUP}/{switch}"
    return any((found.get(key) or "").lower() == value.lower() for found in (labels_of(manifest), annotations_of(manifest)))


def is_ignored(manifest: Manifest | None) -> bool:
    """Neither applied nor pruned."""
    return says(manifest, "reconcile", "disabled") or says(manifest, "ssa", "Ignore")


def is_left_alone(manifest: Manifest | None) -> bool:
    """Foreign writes to it wait for the next interval instead of being repaired at once. Ours, not Flux's."""
    if manifest is None:
        return False
    found = (labels_of(manifest), annotations_of(manifest))
    return any((values.get(DRIFT_REPAIR) or "").lower() == "disabled" for values in found)
