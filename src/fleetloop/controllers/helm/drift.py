"""Objects of a release that are not as Helm left them: found by dry runs, told, and put back where that is wanted.

Flux: helm-notification-image.md 2.12.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fleetloop.api.helm import HelmRelease
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.kube.ignoring import IgnoreRules, differs, ignore_rules, request_for
from fleetloop.kube.objects import Manifest, annotations_of, labels_of, ref_of, version_of

SWITCH = "helm.toolkit.fluxcd.io/driftDetection"
MANAGER = "helm-controller"


class DriftUnknown(Exception):
    """The dry run of an object was refused; the message names it."""


@dataclass(frozen=True, slots=True)
class Drifted:
    """`request`: what applying it needs; `line`: what people are told."""

    request: Manifest
    line: str


def rules_of(release: HelmRelease) -> IgnoreRules:
    """Raises ValueError naming the rule."""
    detection = release.spec.drift_detection
    return ignore_rules(detection.ignore if detection else ())


async def find_drift(kube: Kube, objects: Sequence[Manifest], release: tuple[str, str], rules: IgnoreRules) -> list[Drifted]:
    """`release`: name and namespace. Raises DriftUnknown."""
    found = []
    for manifest in objects:
        wanted = await _as_helm_has_it(kube, manifest, *release)
        if _is_excluded(wanted):
            continue
        try:
            if one := await _compare(kube, wanted, rules):
                found.append(one)
        except (ApiError, Unreachable) as error:
            raise DriftUnknown(f"{ref_of(wanted)} dry-run failed: {error}") from error
    return found


async def correct(kube: Kube, drifted: Sequence[Drifted]) -> list[str]:
    """What could not be put back, a line each."""
    failures = []
    for one in drifted:
        try:
            await kube.apply(one.request, field_manager=MANAGER)
        except (ApiError, Unreachable) as error:
            failures.append(f"{ref_of(one.request)}: {error}")
    return failures


async def _compare(kube: Kube, wanted: Manifest, rules: IgnoreRules) -> Drifted | None:
    live = await kube.find(ref_of(wanted))
    if live is None:
        return Drifted(wanted, f"{ref_of(wanted)} removed")
    if _is_excluded(live):
        return None
    ignored = rules.pointers_for(wanted)
    request = request_for(wanted, live, ignored, MANAGER)
    preview = (await kube.preview(request, field_manager=MANAGER)).object
    if version_of(preview) and not differs(live, preview, ignored):
        return None
    return Drifted(request, f"{ref_of(wanted)} changed")


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
    except ApiError as error:
        raise DriftUnknown(f"{ref_of(manifest)}: {error.message}") from error
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": metadata}


def _is_excluded(manifest: Manifest) -> bool:
    marks = labels_of(manifest), annotations_of(manifest)
    return any((found.get(SWITCH) or "").lower() == "disabled" for found in marks)
