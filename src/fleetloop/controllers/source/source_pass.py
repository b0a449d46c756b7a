"""What every source's pass does around its own steps: begin, keep what is stored, announce what is new, and end.

Flux: source-kustomize.md 1.1. Ready is computed from the facts left here (`summary`).
"""

import datetime
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from fleetloop.api import names, reasons
from fleetloop.api.meta import Artifact, Object, Status
from fleetloop.controllers.source.artifact import Storage
from fleetloop.controllers.source.summary import IN_PROGRESS, OWNED, begin, has_failed, summarize
from fleetloop.runtime.conditions import mark, remove
from fleetloop.runtime.controller import Report
from fleetloop.runtime.outcome import Done, Failure, Outcome


class SourceStatus(Protocol):
    artifact: Artifact | None


O_contra = TypeVar("O_contra", bound=Object, contravariant=True)


class SourceReconciler(Generic[O_contra]):
    """The parts of a reconciler that do not depend on the kind of source."""

    owned_conditions: frozenset[str] = OWNED

    def __init__(self, storage: Storage, now: Callable[[], datetime.datetime]) -> None:
        self.storage = storage
        self.now = now

    async def finalize(self, obj: O_contra, report: Report) -> None:
        await self.storage.remove(obj)

    def settle(self, obj: O_contra, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        summarize(draft, result, generation=obj.metadata.generation, now=now)

    def suspended(self, obj: O_contra, draft: Status) -> None:
        draft.observed_generation = obj.metadata.generation


class SourcePass:
    """One pass over one object; `draft` is its status to be."""

    def __init__(self, tools: SourceReconciler[Object], obj: Object, draft: Status, report: Report) -> None:
        self.storage, self._now = tools.storage, tools.now
        self.obj, self._draft, self.report = obj, draft, report
        self._digest_before = self.artifact.digest if self.artifact else ""
        self._had_failed = has_failed(draft)

    @property
    def artifact(self) -> Artifact | None:
        found: Artifact | None = self._draft.artifact  # type: ignore[attr-defined]  # every source's status has one
        return found

    @artifact.setter
    def artifact(self, artifact: Artifact | None) -> None:
        self._draft.artifact = artifact  # type: ignore[attr-defined]

    async def begin(self) -> None:
        """Tells of a pass that somebody may wait for; an artifact that is not in the store any more is forgotten."""
        draft = self._draft
        had_artifact = self.artifact is not None
        self.artifact = await self.storage.check(self.obj, self.artifact, self.report)
        if self.artifact is None:
            remove(draft, reasons.ARTIFACT_IN_STORAGE)
            self._mark_begun("building artifact" + ": disappeared from storage" * had_artifact, drift=True)
            await self.report.progress()
            return
        observed, generation = draft.observed_generation, self.obj.metadata.generation
        requested = self.obj.metadata.annotations.get(names.REQUESTED_AT, "")
        if observed != generation:
            self._mark_begun(f"processing object: new generation {observed} -> {generation}", drift=False)
            await self.report.progress()
        elif requested not in {"", draft.last_handled_reconcile_at}:
            self._mark_begun(IN_PROGRESS, drift=False)
            await self.report.progress()

    def is_stored(self, revision: str) -> bool:
        """Whether the artifact is of this revision."""
        artifact = self.artifact
        return artifact is not None and artifact.revision == revision and self._draft.is_true(reasons.ARTIFACT_IN_STORAGE)

    async def announce(self, revision: str, message: str, reason: str = reasons.NEW_REVISION) -> None:
        """A new revision is worth a request before the work on it starts: what is served is outdated now."""
        if self.is_stored(revision):
            return
        if self.artifact is not None:
            self.mark(reasons.ARTIFACT_OUTDATED, reason, message)
        self._mark_begun(f"building artifact: {message}", drift=True)
        await self.report.progress()

    def stored(self, message: str, reason: str = reasons.SUCCEEDED) -> None:
        remove(self._draft, reasons.ARTIFACT_OUTDATED, reasons.STORAGE_OPERATION_FAILED)
        self.mark(reasons.ARTIFACT_IN_STORAGE, reason, message)

    def done(self, interval: float, event: str, reason: str = reasons.NEW_ARTIFACT, back: str = reasons.SUCCEEDED) -> Done:
        """The event tells of new content, or, with the reason `back`, of the end of a failure. `interval`: seconds."""
        artifact = self.artifact
        assert artifact is not None  # every way here went through the store
        is_new = artifact.digest != self._digest_before
        return Done(
            after=interval,
            reason=reason if is_new else back,
            event=event if is_new or self._had_failed else "",
            event_metadata=(("revision", artifact.revision), ("digest", artifact.digest)),
            is_news=is_new or self._had_failed,
        )

    def mark(self, type: str, reason: str, message: str) -> None:
        mark(self._draft, type, "True", reason, message, generation=self.obj.metadata.generation, now=self._now())

    def deny(self, type: str, reason: str, message: str) -> None:
        mark(self._draft, type, "False", reason, message, generation=self.obj.metadata.generation, now=self._now())

    def clear(self, *types: str) -> None:
        remove(self._draft, *types)

    def _mark_begun(self, message: str, *, drift: bool) -> None:
        begin(self._draft, message, drift=drift, generation=self.obj.metadata.generation, now=self._now())
