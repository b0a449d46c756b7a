"""Which objects must be healthy before a Kustomization is, and what an ended wait means. Pure. Flux: source-kustomize.md 8.10."""

from collections.abc import Iterable, Mapping

from fleetloop.api.kustomize import Kustomization
from fleetloop.controllers.kustomize.failures import HealthCheckFailed
from fleetloop.kube.apply import Change
from fleetloop.kube.kstatus import Health
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of
from fleetloop.runtime.health_rules import rules_for
from fleetloop.runtime.outcome import Target

DEFAULT_API_VERSION = "apps/v1"


def health_targets(
    kustomization: Kustomization, changes: Iterable[Change], objects: Iterable[Manifest], cluster: str = ""
) -> frozenset[Target]:
    """With `wait` all applied objects, else the health checks that the spec lists; never itself. All on `cluster`."""
    spec = kustomization.spec
    versions = {change.ref: change.version for change in changes if change.action != "skipped"}
    own = (kustomization.kind, kustomization.namespace, kustomization.name)
    listed = [ObjectRef(c.api_version or DEFAULT_API_VERSION, c.kind, c.namespace, c.name) for c in spec.health_checks]
    refs = [ref for ref in (versions if spec.wait else listed) if (ref.kind, ref.namespace, ref.name) != own]
    fleeting = {ref_of(m) for m in objects if m.get("kind") == "Job" and _ends(m)}
    rules = spec.health_check_exprs
    return frozenset(Target(ref, versions.get(ref, 0), ref in fleeting, rules_for(ref, rules), cluster) for ref in refs)


def judge(unsettled: Mapping[ObjectRef, Health], seconds: float) -> HealthCheckFailed | None:
    """None when all is well; `seconds` since the wait began."""
    if not unsettled:
        return None
    failed = {ref: health for ref, health in unsettled.items() if health.status == "Failed"}
    listed = ", ".join(f"{ref} status: '{health.status}'" for ref, health in sorted((failed or unsettled).items()))
    what = "failed early due to stalled resources" if failed else "timeout waiting for"
    return HealthCheckFailed(f"{what}: [{listed}]", seconds)


def _ends(job: Manifest) -> bool:
    return (job.get("spec") or {}).get("ttlSecondsAfterFinished") is not None
