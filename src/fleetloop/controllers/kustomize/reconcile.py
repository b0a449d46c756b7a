"""A Kustomization's pass: from an artifact to applied and healthy objects. Flux: source-kustomize.md 8.2.

Steps write facts into the draft, saved even when one raises. Nobody here writes Ready, Reconciling or Stalled.
"""

import datetime
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleetloop.api import names
from fleetloop.api.applier import ResourceInventory, ResourceRef
from fleetloop.api.durations import duration_text, seconds_of
from fleetloop.api.kustomize import Kustomization, KustomizationStatus
from fleetloop.api.meta import Key, Status
from fleetloop.build import BuildError
from fleetloop.controllers.kustomize.clusters import Cluster
from fleetloop.controllers.kustomize.dependencies import check_dependencies
from fleetloop.controllers.kustomize.failures import (
    ArtifactUnreachable,
    BuildFailed,
    DependencyNotReady,
    HealthCheckFailed,
    PruneFailed,
    ReconciliationFailed,
)
from fleetloop.controllers.kustomize.health import health_targets, judge
from fleetloop.controllers.kustomize.health_rules import check_rules
from fleetloop.controllers.kustomize.history import digest_of, recorded
from fleetloop.controllers.kustomize.sources import Source, find_source
from fleetloop.controllers.kustomize.steps import acting_as, belongs_to, user_of
from fleetloop.controllers.kustomize.tools import KustomizeTools
from fleetloop.kube.apply import ApplyFailed, ApplySettings, ChangeSet, apply_in_stages, until_current
from fleetloop.kube.errors import Forbidden
from fleetloop.kube.inventory import id_of, ref_from, stale
from fleetloop.kube.last_applied import LastApplied
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of
from fleetloop.kube.prune import prune
from fleetloop.runtime import settle as settling
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.conditions import mark, remove
from fleetloop.runtime.controller import Report
from fleetloop.runtime.health_waits import Verdict
from fleetloop.runtime.outcome import Done, Failure, Outcome, Retry, Waiting

HEALTHY = "Healthy"
SHORTEST_TIMEOUT = 30.0
QUICK = 20  # so few objects are applied before anybody could have read that they are being applied


@dataclass(frozen=True, slots=True)
class Applied:
    """What a pass has brought to the cluster and is now waiting for."""

    token: str
    digest: str
    started: float
    waiting: Waiting | None
    changed: bool
    artifact: str = ""  # its digest


class KustomizationReconciler:
    owned_conditions = frozenset({"Ready", "Reconciling", "Stalled", HEALTHY})

    def __init__(self, tools: KustomizeTools) -> None:
        self._tools = tools
        self._applied: dict[Key, Applied] = {}
        self._last_applied: dict[Key, LastApplied] = {}

    async def reconcile(self, obj: Kustomization, draft: Status, report: Report) -> Outcome:
        """One pass. Every failure but a terminal one is tried again after spec.retryInterval."""
        assert isinstance(draft, KustomizationStatus)
        source: Source | None = None
        try:
            await check_rules(obj.spec.health_check_exprs, self._tools.expressions.check)
            source = find_source(obj, self._tools.sources, self._tools.settings)
            return await self._pass(obj, draft, source, report)
        except Failure as failure:
            if source:
                failure.metadata = event_metadata(source)
            if failure.retry is Retry.BACKOFF and not isinstance(failure, ArtifactUnreachable):
                failure.retry, failure.after = Retry.AFTER, seconds_of(obj.spec.retry_interval or obj.spec.interval)
            raise

    async def finalize(self, obj: Kustomization, report: Report) -> None:
        self.forget(obj.key)  # first: what goes now is no foreign write
        await self._tools.finalize(obj, report)

    def settle(self, obj: Kustomization, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        settling.settle(draft, result, generation=obj.metadata.generation, now=now)

    def suspended(self, obj: Kustomization, draft: Status) -> None:
        """Nothing but lastHandledReconcileAt."""

    def disturb(self, key: Key) -> None:
        """Something it applied was changed by others: the next pass applies again, whatever it was waiting for."""
        self._applied.pop(key, None)

    def forget(self, key: Key) -> None:
        self._applied.pop(key, None)
        self._last_applied.pop(key, None)
        self._tools.clusters.disown(key)

    async def _pass(self, ks: Kustomization, draft: KustomizationStatus, source: Source, report: Report) -> Outcome:
        await self._check_dependencies(ks, source, report)
        async with self._tools.clusters.at(ks, user_of(ks, self._tools.settings)) as cluster:
            return await self._pass_at(cluster, ks, draft, source, report)

    async def _pass_at(
        self, cluster: Cluster, ks: Kustomization, draft: KustomizationStatus, source: Source, report: Report
    ) -> Outcome:
        token = pass_token(ks, source, cluster.name)
        if (applied := self._applied.get(ks.key)) and applied.token == token:
            if verdict := self._tools.waits.take_verdict(ks.key, token):
                return self._judge(ks, draft, source, applied, verdict, report)
            if applied.waiting and self._tools.waits.is_waiting(ks.key, token):
                return applied.waiting
        elif applied and applied.waiting and self._tools.waits.is_waiting(ks.key, applied.token):
            await self._cancel_wait(ks, draft, source, applied, report)
        started = time.monotonic()
        objects, digest = await self._build(ks, draft, source, report)
        changes = await self._apply(ks, draft, source, objects, cluster, report)
        waiting = self._wait_for(ks, source, token, changes, objects, cluster)
        applied = self._applied[ks.key] = Applied(token, digest, started, waiting, bool(changes.lines()), source.artifact.digest)
        if waiting is None:
            remove(draft, HEALTHY)
            return self._done(ks, draft, source, applied)
        await self._check_rights(ks, draft, source, applied, waiting, changes, cluster)
        unsettled = {t.ref: health for t in waiting.targets if (health := self._tools.health_of(t)).status != "Current"}
        if not unsettled:
            return self._judge(ks, draft, source, applied, Verdict(token, {}, 0.0), report)
        mark(draft, HEALTHY, "Unknown", "Progressing", waiting.message, generation=ks.metadata.generation, now=utc_now())
        return waiting

    async def _check_dependencies(self, ks: Kustomization, source: Source, report: Report) -> None:
        if not ks.spec.depends_on:
            return
        wait = self._tools.settings.requeue_dependency
        additive = self._tools.settings.gate("AdditiveCELDependencyCheck")
        try:
            await check_dependencies(ks, self._tools.find, source.revision, self._tools.expressions.holds, additive=additive)
        except DependencyNotReady as failure:
            message = f"Dependencies do not meet ready condition, retrying in {wait:g}s"
            ready = ks.status.condition("Ready")
            if ready is None or ready.message != str(failure):
                report.event("Normal", failure.reason, message, event_metadata(source))
            failure.retry, failure.after = Retry.AFTER, wait
            raise

    async def _build(
        self, ks: Kustomization, draft: KustomizationStatus, source: Source, report: Report
    ) -> tuple[list[Manifest], str]:
        draft_is_news = is_news(ks, source)
        timeout = duration_text(timeout_of(ks))
        draft.last_attempted_revision = source.revision
        if draft_is_news:
            begin(ks, draft, f"Building manifests for revision {source.revision} with a timeout of {timeout}")
        async with self._tools.tree_of(source, self._tools.settings.requeue_dependency) as tree:
            try:
                objects = await self._tools.build(tree, source, ks, timeout_of(ks))
            except BuildError as error:
                if not draft_is_news:
                    begin(ks, draft, f"Building manifests for revision {source.revision} with a timeout of {timeout}")
                raise BuildFailed(str(error)) from error
        return objects, digest_of(objects)

    async def _apply(
        self,
        ks: Kustomization,
        draft: KustomizationStatus,
        source: Source,
        objects: Sequence[Manifest],
        cluster: Cluster,
        report: Report,
    ) -> ChangeSet:
        """Applies, then prunes. What is about to be applied is in the inventory before it is: a process killed meanwhile leaves
        nothing behind that nobody owns."""
        old = inventory_of(draft)
        planned = [ref_of(manifest) for manifest in objects]
        both = [*old, *stale(planned, old)]
        draft.inventory = inventory(both)
        if is_news(ks, source) or len(both) > len(old):
            message = f"Detecting drift for revision {source.revision} with a timeout of {duration_text(timeout_of(ks))}"
            begin(ks, draft, message)
            if len(both) > len(old) or len(objects) > QUICK:
                await report.progress()
        last_applied, kube = self._find_last_applied(ks, cluster), acting_as(ks, cluster.kube, self._tools.settings)
        settings = ApplySettings(
            names.KUSTOMIZE_CONTROLLER,
            self._tools.settings.concurrent_ssa,
            ks.spec.force,
            self._tools.settings.custom_stage_kinds,
            self._tools.settings.override_managers,
            last_applied.find,
        )
        try:
            async with cluster.told(timeout_of(ks)):
                changes = await apply_in_stages(kube, objects, settings, until_current)
        except ApplyFailed as error:
            draft.inventory = inventory([*old, *stale(error.changes.refs, old)])  # what came through is owned, the rest is not
            raise ReconciliationFailed("\n".join([str(error), *error.changes.lines()])) from error
        last_applied.remember(objects, changes.changes)
        cluster.owned.assign(ks.key, changes.refs)
        draft.inventory = inventory(changes.refs)
        if lines := changes.lines():
            report.event("Normal", "Progressing", "\n".join(lines), event_metadata(source))
        await self._prune(ks, draft, stale(old, changes.refs), cluster, source, report)
        return changes

    def _find_last_applied(self, ks: Kustomization, cluster: Cluster) -> LastApplied:
        """Nothing is known in a new generation, which may act as somebody else, nor when a person asks, to be sure."""
        requested = ks.metadata.annotations.get(names.REQUESTED_AT, "")
        token = f"{ks.metadata.uid} {ks.metadata.generation} {requested} {cluster.name}"
        found = self._last_applied.get(ks.key)
        if found is None or found.token != token:
            found = self._last_applied[ks.key] = LastApplied(token, cluster.live.find)
        return found

    async def _prune(
        self,
        ks: Kustomization,
        draft: KustomizationStatus,
        refs: Sequence[ObjectRef],
        cluster: Cluster,
        source: Source,
        report: Report,
    ) -> None:
        if not ks.spec.prune or not refs:
            return
        async with cluster.told(timeout_of(ks)):
            kube = acting_as(ks, cluster.kube, self._tools.settings)
            pruned = await prune(kube, refs, lambda manifest: belongs_to(ks, manifest))
            not_ours = [ref for ref in pruned.refused if not await self._is_ours(ks, ref, cluster)]
        if pruned.lines:
            report.event("Normal", "Progressing", "\n".join(pruned.lines), event_metadata(source))
        for ref in not_ours:
            del pruned.refused[ref]
        if pruned.refused:
            draft.inventory = inventory([*inventory_of(draft), *pruned.refused])
            raise PruneFailed(pruned.error)

    async def _is_ours(self, ks: Kustomization, ref: ObjectRef, cluster: Cluster) -> bool:
        """Seen with the controller's own eyes: a killed pass may have meant to apply what its tenant cannot even read."""
        try:
            live = await cluster.kube.find(ref)
        except Forbidden:
            return True  # a kubeconfig's identity need not see more than its tenant
        return live is not None and belongs_to(ks, live)

    def _wait_for(
        self, ks: Kustomization, source: Source, token: str, changes: ChangeSet, objects: Sequence[Manifest], cluster: Cluster
    ) -> Waiting | None:
        cluster.live.use(changes.refs)
        targets, timeout = health_targets(ks, changes.changes, objects, cluster.name), timeout_of(ks)
        if not targets:
            return None
        cluster.live.use([target.ref for target in targets], timeout)
        cluster.live.keep_content({(target.ref.api_version, target.ref.kind) for target in targets if target.rules})
        message = f"Running health checks for revision {source.revision} with a timeout of {duration_text(timeout)}"
        return Waiting(token, targets, timeout, message, not self._tools.settings.gate("DisableFailFastBehavior"))

    async def _cancel_wait(
        self, ks: Kustomization, draft: KustomizationStatus, source: Source, applied: Applied, report: Report
    ) -> None:
        """Whatever the gate says, a wait for what is outdated ends at once; the gate makes it a condition of its own."""
        self._tools.waits.cancel(ks.key)
        trigger = source.key if applied.artifact != source.artifact.digest else ks.key
        report.event(
            "Normal",
            "Progressing",
            f"Health checks canceled due to new reconciliation triggered by {trigger}",
            event_metadata(source),
        )
        if self._tools.settings.gate("CancelHealthCheckOnNewRevision"):
            message, now = f"New reconciliation triggered by {trigger}", utc_now()
            mark(draft, "Ready", "False", "HealthCheckCanceled", message, generation=ks.metadata.generation, now=now)
            await report.progress()

    def _judge(
        self, ks: Kustomization, draft: KustomizationStatus, source: Source, applied: Applied, verdict: Verdict, report: Report
    ) -> Done:
        now, generation = utc_now(), ks.metadata.generation
        if failure := judge(verdict.unsettled, verdict.seconds):
            raise self._unhealthy(ks, draft, source, applied, failure)
        if not draft.is_true(HEALTHY) or applied.changed:
            message = f"Health check passed in {duration_text(verdict.seconds)}"
            report.event("Normal", "Progressing", message, event_metadata(source))
            mark(draft, HEALTHY, "True", "Succeeded", message, generation=generation, now=now)
        return self._done(ks, draft, source, applied)

    def _unhealthy(
        self, ks: Kustomization, draft: KustomizationStatus, source: Source, applied: Applied, failure: HealthCheckFailed
    ) -> HealthCheckFailed:
        now, seconds = utc_now(), time.monotonic() - applied.started
        mark(draft, HEALTHY, "False", failure.reason, failure.detail, generation=ks.metadata.generation, now=now)
        draft.history = recorded(draft.history, applied.digest, failure.reason, source, seconds, now)
        del self._applied[ks.key]
        return failure

    async def _check_rights(
        self,
        ks: Kustomization,
        draft: KustomizationStatus,
        source: Source,
        applied: Applied,
        waiting: Waiting,
        changes: ChangeSet,
        cluster: Cluster,
    ) -> None:
        """Our watches see more than a tenant: of what it did not apply it is told no more than it may read itself."""
        others = {target.ref for target in waiting.targets} - set(changes.refs)
        user = user_of(ks, self._tools.settings)
        if not others or not user:
            return
        async with cluster.told(timeout_of(ks)):
            refused = await self._tools.rights.refused(cluster.name, user, cluster.kube.acting_as(user), others)
        if refused:
            failure = HealthCheckFailed(f"may not be read: [{', '.join(refused)}]", 0.0)
            raise self._unhealthy(ks, draft, source, applied, failure)

    def _done(self, ks: Kustomization, draft: KustomizationStatus, source: Source, applied: Applied) -> Done:
        seconds = time.monotonic() - applied.started
        self._applied[ks.key] = Applied("", applied.digest, applied.started, None, False)
        draft.last_applied_revision = source.revision  # SK22: only after health
        draft.last_applied_origin_revision = source.origin_revision
        draft.history = recorded(draft.history, applied.digest, "ReconciliationSucceeded", source, seconds, utc_now())
        interval = seconds_of(ks.spec.interval)
        return Done(
            after=interval,
            message=f"Applied revision: {source.revision}",
            event=f"Reconciliation finished in {duration_text(seconds)}, next run in {duration_text(interval)}",
            event_metadata=tuple((event_metadata(source) | {"commit_status": "update"}).items()),
            is_news=applied.changed or is_news(ks, source) or was_requested(ks),
        )


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


def inventory(refs: Iterable[ObjectRef]) -> ResourceInventory:
    return ResourceInventory(entries=tuple(ResourceRef(id=id_of(r), v=r.api_version.rpartition("/")[2]) for r in refs))


def inventory_of(status: KustomizationStatus) -> list[ObjectRef]:
    entries = status.inventory.entries if status.inventory else ()
    return [ref_from(entry.id, entry.v) for entry in entries]
