"""Objects of a release that are not as Helm left them: found by dry runs, told, and put back where that is wanted.

Flux: helm-notification-image.md 2.12.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from fleetloop.api import names
from fleetloop.api.helm import HelmRelease
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Forbidden, Unreachable
from fleetloop.kube.ignoring import IgnoreRules, ignore_rules, request_for
from fleetloop.kube.managers import Takeover, takeover_patch
from fleetloop.kube.objects import Manifest, annotations_of, labels_of, ref_of
from fleetloop.kube.pointers import Pointer, without
from fleetloop.kube.selectors import target_of

SWITCH = "helm.toolkit.fluxcd.io/driftDetection"


class DriftUnknown(Exception):
    """The dry run of an object was refused; the message names it."""


class Counts(NamedTuple):
    """Places that differ."""

    additions: int = 0
    changes: int = 0
    removals: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in self._asdict().items())

    def plus(self, other: "Counts") -> "Counts":
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True, slots=True)
class Drifted:
    """`request`: what applying it needs, None for one that is left alone; `line`: what people are told."""

    request: Manifest | None
    line: str


def rules_of(release: HelmRelease) -> IgnoreRules:
    """A rule with the path "" leaves the whole object alone: its pointer is (). Raises ValueError naming the rule."""
    detection = release.spec.drift_detection
    rules = detection.ignore if detection else ()
    try:
        inside = ignore_rules([msgspec.structs.replace(rule, paths=tuple(filter(None, rule.paths))) for rule in rules])
        whole = [(target_of(rule.target), ((),)) for rule in rules if "" in rule.paths]
    except ValueError as error:
        raise ValueError(str(error).replace("spec.ignore", "spec.driftDetection.ignore", 1)) from error
    return IgnoreRules((*inside.rules, *whole))


async def find_drift(
    kube: Kube, objects: Sequence[Manifest], release: tuple[str, str], rules: IgnoreRules, takeover: Takeover
) -> list[Drifted]:
    """`release`: name and namespace. Nothing where only objects that are left alone differ. Raises DriftUnknown."""
    found = []
    for manifest in objects:
        wanted = await _as_helm_has_it(kube, manifest, *release)
        try:
            if one := await _compare(kube, wanted, rules, takeover):
                found.append(one)
        except (ApiError, Unreachable) as error:
            raise DriftUnknown(f"{ref_of(wanted)} dry-run failed: {_without_values(wanted, error)}") from error
    return found if any(one.request for one in found) else []


async def correct(kube: Kube, drifted: Sequence[Drifted]) -> list[str]:
    """What could not be put back, a line each."""
    failures = []
    for one in drifted:
        if one.request is None:
            continue
        try:
            await kube.apply(one.request, field_manager=names.HELM_CONTROLLER)
        except (ApiError, Unreachable) as error:
            failures.append(f"{ref_of(one.request)}: {_without_values(one.request, error)}")
    return failures


async def _compare(kube: Kube, wanted: Manifest, rules: IgnoreRules, takeover: Takeover) -> Drifted | None:
    ref = ref_of(wanted)
    ignored = rules.pointers_for(wanted)
    if _is_excluded(wanted) or () in ignored:
        return Drifted(None, f"{ref} excluded")
    live = await kube.find(ref)
    if live is None:
        return Drifted(wanted, f"{ref} removed")
    if _is_excluded(live):
        return Drifted(None, f"{ref} excluded")
    if takeover.extra and (patch := takeover_patch(live, wanted, takeover)):
        live = await kube.patch(ref, patch, patch_type="json")
    request = request_for(wanted, live, ignored, names.HELM_CONTROLLER)
    preview = (await kube.preview(request, field_manager=names.HELM_CONTROLLER)).object
    counts = differences(_compared(live, wanted, ignored), _compared(preview, wanted, ignored))
    return Drifted(request, f"{ref} changed ({counts})") if any(counts) else None


def differences(live: Any, wanted: Any) -> Counts:
    """What it takes to make the one the other."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        found = Counts(additions=len(wanted.keys() - live.keys()), removals=len(live.keys() - wanted.keys()))
        for key in live.keys() & wanted.keys():
            found = found.plus(differences(live[key], wanted[key]))
        return found
    if isinstance(live, list) and isinstance(wanted, list):
        found = Counts(additions=max(0, len(wanted) - len(live)), removals=max(0, len(live) - len(wanted)))
        for mine, theirs in zip(live, wanted, strict=False):
            found = found.plus(differences(mine, theirs))
        return found
    return Counts(changes=int(live != wanted))


def _compared(manifest: Manifest, wanted: Manifest, ignored: Sequence[Pointer]) -> Any:
    """Without status; labels and annotations only where the release has them."""
    metadata = {
        key: {name: value for name, value in (manifest["metadata"].get(key) or {}).items() if name in wanted["metadata"][key]}
        for key in ("labels", "annotations")  # which a release's objects have
    }
    content = {key: value for key, value in manifest.items() if key not in {"status", "metadata"}}
    return without(content | {"metadata": metadata}, ignored)


def _without_values(manifest: Manifest, error: Exception) -> str:
    """The server's words; of a Secret only that there were some, since they may quote it."""
    if manifest["kind"] == "Secret" and isinstance(error, ApiError) and not isinstance(error, Forbidden):
        return f"refused ({error.reason})"
    return error.message if isinstance(error, ApiError) else str(error)


async def _as_helm_has_it(kube: Kube, manifest: Manifest, name: str, namespace: str) -> Manifest:
    """With Helm's own marks, and in the release's namespace where it names none."""
    metadata = dict(manifest["metadata"])
    metadata["labels"] = (metadata.get("labels") or {}) | {"app.kubernetes.io/managed-by": "Helm"}
    marks = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
    metadata["annotations"] = (metadata.get("annotations") or {}) | marks
    try:
        resource = await kube.resource_for(manifest["apiVersion"], manifest["kind"])
        if resource.namespaced and not metadata.get("namespace"):
            metadata["namespace"] = namespace
    except (ApiError, Unreachable) as error:
        raise DriftUnknown(f"{ref_of(manifest)}: {error}") from error
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": metadata}


def _is_excluded(manifest: Manifest) -> bool:
    marks = labels_of(manifest), annotations_of(manifest)
    return any((found.get(SWITCH) or "").lower() == "disabled" for found in marks)
