"""A Kustomization's pass: from an artifact to applied and healthy objects. Flux: source-kustomize.md 8.2.

Steps write facts into the draft, saved even when one raises. Nobody here writes Ready, Reconciling or Stalled.
"""

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass

from fleetloop.access.clusters import Cluster
from fleetloop.api.durations import duration_text, seconds_of
from fleetloop.api.kustomize import Kustomization, KustomizationStatus
from fleetloop.api.meta import Key, Status
from fleetloop.build import BuildError, Built
from fleetloop.controllers.kustomize.applying import KEPT_PAUSE, Applier
from fleetloop.controllers.kustomize.decryption import check_decryption
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
from fleetloop.controllers.kustomize.history import recorded
from fleetloop.controllers.kustomize.pass_facts import begin, event_metadata, is_news, pass_token, timeout_of, was_requested
from fleetloop.controllers.kustomize.sources import Source, find_source
from fleetloop.controllers.kustomize.steps import cluster_of, user_of
from fleetloop.controllers.kustomize.tools import KustomizeTools
from fleetloop.controllers.kustomize.tree import check_path
from fleetloop.kube.apply import ChangeSet
from fleetloop.kube.live import LiveObject
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.runtime import settle as settling
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.conditions import mark, remove
from fleetloop.runtime.controller import Report
from fleetloop.runtime.health_rules import BadExpression, check_rules
from fleetloop.runtime.health_waits import Verdict
from fleetloop.runtime.outcome import Done, Failure, Outcome, Retry, Waiting

HEALTHY = "Healthy"
DISTURBED = ""  # by a foreign write to what it applied: the wait for the same revision goes on


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
        self._applier = Applier(tools)
        self._applied: dict[Key, Applied] = {}
        self._outdated: dict[Key, str] = {}  # by what, since the last pass began to build: also while it applies

    async def reconcile(self, obj: Kustomization, draft: Status, report: Report) -> Outcome:
        """One pass. Every failure but a terminal one is tried again after spec.retryInterval."""
        assert isinstance(draft, KustomizationStatus)
        source: Source | None = None
        try:
            await check_rules(obj.spec.health_check_exprs, self._tools.expressions.check)
            check_decryption(obj, self._tools.settings)
            source = find_source(obj, await self._tools.sources_for(obj), self._tools.settings)
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
        observed = draft.observed_generation
        settling.settle(draft, result, generation=obj.metadata.generation, now=now)
        if isinstance(result, Failure) and not isinstance(result, BadExpression):
            draft.observed_generation = observed  # SK21: also where it is stalled

    def suspended(self, obj: Kustomization, draft: Status) -> None:
        """Nothing but lastHandledReconcileAt."""

    def first_seen(self, key: Key, ref: ObjectRef, live: LiveObject) -> bool:
        """A watch that has just begun tells an object. Whether it must be looked at: it changed since it was applied."""
        outdated = self._applier.is_outdated(key, ref, live)
        if outdated:
            self.disturb(key)
        return outdated

    def disturb(self, key: Key) -> None:
        """Something it applied was changed by others: the next pass applies again, whatever it was waiting for."""
        self._outdated.setdefault(key, DISTURBED)

    def configured(self, key: Key, ref: ObjectRef) -> None:
        """A ConfigMap or Secret that it names has changed: what was made with the old one counts no longer."""
        self._outdated[key] = str(ref)

    def forget(self, key: Key) -> None:
        self._applied.pop(key, None)
        self._outdated.pop(key, None)
        self._applier.forget(key)
        self._tools.clusters.disown(key)

    async def _pass(self, ks: Kustomization, draft: KustomizationStatus, source: Source, report: Report) -> Outcome:
        await self._check_dependencies(ks, source, report)
        async with cluster_of(ks, self._tools.clusters, self._tools.settings, report) as cluster:
            return await self._pass_at(cluster, ks, draft, source, report)

    async def _pass_at(
        self, cluster: Cluster, ks: Kustomization, draft: KustomizationStatus, source: Source, report: Report
    ) -> Outcome:
        token = pass_token(ks, source, cluster.name)
        applied, outdated_by = self._applied.get(ks.key), self._outdated.get(ks.key)
        if applied and applied.token == token and outdated_by is None:
            if verdict := self._tools.waits.take_verdict(ks.key, token):
                return self._judge(ks, draft, source, applied, verdict, report)
            if applied.waiting and self._tools.waits.is_waiting(ks.key, token):
                return applied.waiting
        elif applied and (outdated_by or applied.token != token) and self._tools.waits.is_waiting(ks.key, applied.token):
            await self._cancel_wait(ks, draft, source, applied, outdated_by, report)
        self._applied.pop(ks.key, None)
        self._outdated.pop(ks.key, None)
        started = time.monotonic()
        built = await self._build(ks, draft, source, report)
        try:
            changes = await self._applier.apply(ks, draft, source, built, cluster, report)
        except (ReconciliationFailed, PruneFailed) as failure:
            seconds = time.monotonic() - started
            draft.history = recorded(draft.history, built.digest, failure.reason, source, seconds, utc_now())
            raise
        waiting = self._wait_for(ks, source, token, changes, built.objects, cluster)
        applied = self._applied[ks.key] = Applied(
            token, built.digest, started, waiting, bool(changes.lines()), source.artifact.digest
        )
        if waiting is None:
            remove(draft, HEALTHY)
            return self._done(ks, draft, source, applied)
        await self._check_rights(ks, draft, source, applied, waiting, changes, cluster, report)
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
            await check_dependencies(ks, self._tools.read, source.revision, self._tools.expressions.holds, additive=additive)
        except DependencyNotReady as failure:
            message = f"Dependencies do not meet ready condition, retrying in {wait:g}s"
            report.event("Normal", failure.reason, message, event_metadata(source))
            failure.retry, failure.after = Retry.AFTER, wait
            raise

    async def _build(self, ks: Kustomization, draft: KustomizationStatus, source: Source, report: Report) -> Built:
        draft_is_news = is_news(ks, source)
        timeout = duration_text(timeout_of(ks))
        if draft_is_news:
            begin(ks, draft, f"Building manifests for revision {source.revision} with a timeout of {timeout}")
        async with self._tools.tree_of(source, self._tools.settings.requeue_dependency) as tree:
            check_path(tree, ks.spec.path)
            draft.last_attempted_revision = source.revision
            try:
                return await self._tools.build(tree, source, ks, timeout_of(ks))
            except BuildError as error:
                if not draft_is_news:
                    begin(ks, draft, f"Building manifests for revision {source.revision} with a timeout of {timeout}")
                raise BuildFailed(str(error)) from error

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
        self,
        ks: Kustomization,
        draft: KustomizationStatus,
        source: Source,
        applied: Applied,
        outdated_by: str | None,
        report: Report,
    ) -> None:
        """Whatever the gate says, a wait for what is outdated ends at once; the gate makes it a condition of its own."""
        self._tools.waits.cancel(ks.key)
        trigger = outdated_by or (source.key if applied.artifact != source.artifact.digest else ks.key)
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
        self._applied.pop(ks.key, None)
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
        report: Report,
    ) -> None:
        """Our watches see more than a tenant: of what it did not apply it is told no more than it may read itself."""
        others = {target.ref for target in waiting.targets} - {change.ref for change in changes.reached}
        user = user_of(ks, self._tools.settings)
        if not others or not user:
            return
        async with cluster.told(timeout_of(ks), report.away):
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
            after=min(interval, KEPT_PAUSE) if self._applier.keeps(ks.key) else interval,
            message=f"Applied revision: {source.revision}",
            event=f"Reconciliation finished in {duration_text(seconds)}, next run in {duration_text(interval)}",
            event_metadata=tuple((event_metadata(source) | {"commit_status": "update"}).items()),
            is_news=applied.changed or is_news(ks, source) or was_requested(ks),
        )
