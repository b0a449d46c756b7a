"""The last results of a Kustomization: equal ones in a row are counted, five are kept. Pure. Flux: source-kustomize.md 8.13."""

import datetime

from fleetloop.api.durations import duration_text
from fleetloop.api.kustomize import Snapshot
from fleetloop.controllers.kustomize.sources import Source

KEPT = 5


def recorded(
    history: tuple[Snapshot, ...], digest: str, result: str, source: Source, seconds: float, now: datetime.datetime
) -> tuple[Snapshot, ...]:
    """`digest`: the build's; `result`: the Ready reason; `seconds`: what the pass took."""
    now = now.replace(microsecond=0)
    old = next((s for s in history if s.digest == digest and s.last_reconciled_status == result), None)
    metadata = {"revision": source.revision} | ({"originRevision": source.origin_revision} if source.origin_revision else {})
    new = Snapshot(
        digest=digest,
        first_reconciled=old.first_reconciled if old else now,
        last_reconciled=now,
        last_reconciled_duration=duration_text(seconds),
        last_reconciled_status=result,
        total_reconciliations=(old.total_reconciliations if old else 0) + 1,
        metadata=metadata,
    )
    return (new, *(s for s in history if s is not old))[:KEPT]
