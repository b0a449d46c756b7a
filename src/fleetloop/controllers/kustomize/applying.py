"""The middle of a pass: brings what was built to the cluster, and takes away what is no longer built.

Flux: source-kustomize.md 8.7-8.9.
"""

from collections.abc import Sequence

from fleetloop.access.clusters import Cluster
from fleetloop.api import names
from fleetloop.api.durations import duration_text
from fleetloop.api.kustomize import Kustomization, KustomizationStatus
from fleetloop.api.meta import Key
from fleetloop.build import Built
from fleetloop.controllers.kustomize.failures import PruneFailed, ReconciliationFailed
from fleetloop.controllers.kustomize.inventories import inventory, inventory_of
from fleetloop.controllers.kustomize.pass_facts import begin, event_metadata, is_news, timeout_of
from fleetloop.controllers.kustomize.sources import Source
from fleetloop.controllers.kustomize.steps import acting_as, belongs_to
from fleetloop.controllers.kustomize.tools import KustomizeTools
from fleetloop.kube.apply import ApplyFailed, ApplySettings, ChangeSet, apply_in_stages, until_current
from fleetloop.kube.errors import Forbidden, NotFound
from fleetloop.kube.ignoring import ignore_rules
from fleetloop.kube.inventory import stale
from fleetloop.kube.last_applied import LastApplied
from fleetloop.kube.live import LiveObject
from fleetloop.kube.objects import ObjectRef, ref_of
from fleetloop.kube.prune import Pruned, find_surely, prune
from fleetloop.runtime.controller import Report
from fleetloop.runtime.log import logger

QUICK = 20  # so few objects are applied before anybody could have read that they are being applied
KEPT_PAUSE = 30.0  # seconds to the next look at objects that are left for another Kustomization


class Applier:
    """Knows from pass to pass what each Kustomization applied last, and what it left to others."""

    def __init__(self, tools: KustomizeTools) -> None:
        self._tools = tools
        self._last_applied: dict[Key, LastApplied] = {}
        self._kept: dict[Key, frozenset[ObjectRef]] = {}

    def forget(self, key: Key) -> None:
        self._last_applied.pop(key, None)
        self._kept.pop(key, None)
        self._tools.handover.forget(key)

    def is_outdated(self, key: Key, ref: ObjectRef, live: LiveObject) -> bool:
        """Whether what it applied has changed before it could be watched."""
        last_applied = self._last_applied.get(key)
        return last_applied is not None and last_applied.is_outdated(ref, live)

    def keeps(self, key: Key) -> bool:
        """Whether objects wait for another Kustomization to take them."""
        return key in self._kept

    async def apply(
        self, ks: Kustomization, draft: KustomizationStatus, source: Source, built: Built, cluster: Cluster, report: Report
    ) -> ChangeSet:
        """Applies, then prunes. What is about to be applied is in the inventory before it is: a process killed meanwhile leaves
        nothing behind that nobody owns (SK27). Raises ReconciliationFailed, PruneFailed."""
        old, planned = inventory_of(draft), [ref_of(manifest) for manifest in built.objects]
        both = [*old, *stale(planned, old)]
        draft.inventory = inventory(both)
        if is_news(ks, source) or len(both) > len(old):
            message = f"Detecting drift for revision {source.revision} with a timeout of {duration_text(timeout_of(ks))}"
            begin(ks, draft, message)
            if len(both) > len(old) or len(planned) > QUICK:
                await report.progress()
        last_applied, kube = self._find_last_applied(ks, cluster), acting_as(ks, cluster.kube, self._tools.settings)
        settings = self._apply_settings(ks, built, last_applied)
        changes = ChangeSet()
        try:
            async with cluster.told(timeout_of(ks), report.away):
                await apply_in_stages(kube, built.objects, settings, until_current, changes)
        except ApplyFailed as error:
            draft.inventory = inventory([*old, *stale(changes.refs, old)])  # what may have come through is owned, the rest is not
            raise ReconciliationFailed("\n".join([str(error), *changes.lines()])) from error
        finally:
            last_applied.remember(built.objects, changes.changes)
        before = dict.fromkeys(cluster.owned.refs(ks.key), ())
        reached = changes.reached
        cluster.live.ignore(before | {change.ref: change.ignored for change in reached})
        cluster.owned.assign(ks.key, [change.ref for change in reached])
        draft.inventory = inventory(changes.refs)
        self._tell(ks, source, changes, settings, report)
        await self._prune(ks, draft, stale(old, changes.refs), cluster, source, report)
        return changes

    def _apply_settings(self, ks: Kustomization, built: Built, last_applied: LastApplied) -> ApplySettings:
        settings = self._tools.settings
        try:
            rules = ignore_rules(ks.spec.ignore)
        except ValueError as error:
            raise ReconciliationFailed(str(error)) from error
        files = {ref_of(manifest): file for manifest, file in zip(built.objects, built.files, strict=True)}
        return ApplySettings(
            names.KUSTOMIZE_CONTROLLER,
            settings.concurrent_ssa,
            ks.spec.force,
            settings.custom_stage_kinds,
            settings.override_managers,
            last_applied.find,
            settings.gate("MigrateAPIVersion"),
            rules.pointers_for,
            lambda manifest: files.get(ref_of(manifest), ""),
        )

    def _tell(self, ks: Kustomization, source: Source, changes: ChangeSet, settings: ApplySettings, report: Report) -> None:
        lines = changes.lines()
        grouped = self._tools.settings.gate("GroupChangeLog")
        output = changes.by_action() if grouped else changes.by_object()
        tell = logger().info if lines else logger().debug
        tell("server-side apply completed", output=output, revision=source.revision)
        if lines:
            report.event("Normal", "Progressing", "\n".join(lines), event_metadata(source))
        dropped = [f"{change.ref} {field}" for change in changes.changes for field in change.dropped]
        if dropped:
            words = "fields that the API does not have were left out:\n" + "\n".join(dropped)
            report.event("Warning", "UnknownFields", words, event_metadata(source))

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
            self._kept.pop(ks.key, None)
            return
        claims = await self._tools.handover.claims(ks, refs)
        async with cluster.told(timeout_of(ks), report.away):
            kube = acting_as(ks, cluster.kube, self._tools.settings)
            pruned = await prune(
                kube, refs, lambda manifest: belongs_to(ks, manifest), claims, self._tools.settings.custom_stage_kinds
            )
            not_ours = [ref for ref in pruned.refused if not await self._is_ours(ks, ref, cluster)]
        for ref in not_ours:
            del pruned.refused[ref]
        if lines := pruned.lines + self._newly_kept(ks.key, pruned):
            report.event("Normal", "Progressing", "\n".join(lines), event_metadata(source))
        draft.inventory = inventory([*inventory_of(draft), *pruned.kept, *pruned.refused])
        if pruned.refused:
            raise PruneFailed(pruned.error)

    def _newly_kept(self, key: Key, pruned: Pruned) -> list[str]:
        """Said once: they are looked at again every half minute."""
        known = self._kept.pop(key, frozenset())
        if pruned.kept:
            self._kept[key] = frozenset(pruned.kept)
        return [f"{ref} kept, {reason}" for ref, reason in pruned.kept.items() if ref not in known]

    async def _is_ours(self, ks: Kustomization, ref: ObjectRef, cluster: Cluster) -> bool:
        """Seen with the controller's own eyes: a killed pass may have meant to apply what its tenant cannot even read."""
        try:
            live = await find_surely(cluster.kube, ref)
        except (Forbidden, NotFound):
            return True  # nobody can tell; a kubeconfig's identity need not see more than its tenant
        return live is not None and belongs_to(ks, live)
