"""What the steps of a pass ask about it: what it is for, whether it is news, how long it may take. Pure."""

from fleetloop.api import names
from fleetloop.api.durations import seconds_of
from fleetloop.api.kustomize import Kustomization, KustomizationStatus
from fleetloop.controllers.kustomize.sources import Source
from fleetloop.runtime import settle as settling
from fleetloop.runtime.clock import utc_now

SHORTEST_TIMEOUT = 30.0


def pass_token(ks: Kustomization, source: Source, cluster: str = "") -> str:
    """Names what a pass is about: a verdict of another generation, artifact, request or cluster does not count."""
    requested = ks.metadata.annotations.get(names.REQUESTED_AT, "")
    return f"{ks.metadata.uid} {ks.metadata.generation} {source.artifact.digest} {source.revision} {requested} {cluster}"


def is_news(ks: Kustomization, source: Source) -> bool:
    """Whether anything but the clock made this pass: only then is its progress worth a request."""
    status = ks.status
    return not (
        status.observed_generation == ks.metadata.generation
        and status.last_applied_revision == source.revision
        and status.is_true("Ready")
    )


def was_requested(ks: Kustomization) -> bool:
    """A person waits for this pass."""
    return ks.metadata.annotations.get(names.REQUESTED_AT, "") not in {"", ks.status.last_handled_reconcile_at}


def begin(ks: Kustomization, draft: KustomizationStatus, message: str) -> None:
    settling.begin(draft, message, generation=ks.metadata.generation, now=utc_now())


def timeout_of(ks: Kustomization) -> float:
    """spec.timeout, else the interval less 30 s; never under 30 s."""
    wanted = seconds_of(ks.spec.timeout) if ks.spec.timeout else seconds_of(ks.spec.interval) - SHORTEST_TIMEOUT
    return max(wanted, SHORTEST_TIMEOUT)


def event_metadata(source: Source) -> dict[str, str]:
    return {"revision": source.revision} | ({"originRevision": source.origin_revision} if source.origin_revision else {})
