"""What an object itself says about how it is handled: `kustomize.toolkit.fluxcd.io/...` labels and annotations. Pure.

Values compare without case, and a label counts like an annotation (Flux: source-kustomize.md 8.7).
"""

from fleetloop.kube.objects import Manifest, annotations_of, labels_of

GROUP = "kustomize.toolkit.fluxcd.io"


def says(manifest: Manifest | None, switch: str, value: str) -> bool:
    """`says(m, "prune", "disabled")`."""
    if manifest is None:
        return False
    key = f"{GROUP}/{switch}"
    return any((found.get(key) or "").lower() == value.lower() for found in (labels_of(manifest), annotations_of(manifest)))


def is_ignored(manifest: Manifest | None) -> bool:
    """Neither applied nor pruned."""
    return says(manifest, "reconcile", "disabled") or says(manifest, "ssa", "Ignore")
