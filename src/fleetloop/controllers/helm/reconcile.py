"""A HelmRelease's pass: gather what is wanted and what is there, and act until they agree. Flux: 2.5, 2.7.

A release that another action of ours was killed in is unlocked and healed here, without anybody's help.
"""

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from fleetloop.access.clusters import Cluster
from fleetloop.api import names
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus
from fleetloop.api.meta import Status
from fleetloop.controllers.helm import conditions
from fleetloop.controllers.helm import release as options
from fleetloop.controllers.helm.chart_source import ChartSource, find_source, released_version
from fleetloop.controllers.helm.chart_template import sync_chart
from fleetloop.controllers.helm.dependencies import check_dependencies
from fleetloop.controllers.helm.engine import Helm, HelmFailed, ask
from fleetloop.controllers.helm.failures import ArtifactFailed, MoreToDo, SourceNotReady
from fleetloop.controllers.helm.finalize import finalize, uninstall
from fleetloop.controllers.helm.history import algorithm_of
from fleetloop.controllers.helm.loop import Loop, is_requested, reset_counters
from fleetloop.controllers.helm.place import acting_as, cluster_of
from fleetloop.controllers.helm.release import Defaults
from fleetloop.controllers.helm.run import Run
from fleetloop.controllers.helm.tools import HelmTools
from fleetloop.controllers.helm.values import digest_of, read_values
from fleetloop.controllers.helm.waits import Waiter
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.controller import Report
from fleetloop.runtime.health_rules import check_rules
from fleetloop.runtime.outcome import Failure, Outcome


class HelmReleaseReconciler:
    owned_conditions = conditions.OWNED

    def __init__(self, tools: HelmTools) -> None:
        self._tools = tools

    async def reconcile(self, obj: HelmRelease, draft: Status, report: Report) -> Outcome:
        """Raises Failure."""
        return await _Pass(self._tools, obj, cast(HelmReleaseStatus, draft), report).run()

    async def finalize(self, obj: HelmRelease, report: Report) -> None:
        await finalize(self._tools, obj, report)

    def settle(self, obj: HelmRelease, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        conditions.settle(cast(HelmReleaseStatus, draft), obj, result, now)

    def suspended(self, obj: HelmRelease, draft: Status) -> None:
        draft.observed_generation = obj.metadata.generation


class _Pass:
    def __init__(self, tools: HelmTools, release: HelmRelease, draft: HelmReleaseStatus, report: Report) -> None:
        self._tools, self._release, self._draft, self._report = tools, release, draft, report

    async def run(self) -> Outcome:
        release, draft = self._release, self._draft
        await check_rules(release.spec.health_check_exprs, self._tools.expressions.check)
        await sync_chart(self._tools, release, draft, self._report)
        if draft.observed_generation != release.metadata.generation:
            conditions.begin(draft, release, utc_now())
            await self._report.progress()
        await check_dependencies(release, self._tools)
        source = self._find_source()
        layers = await read_values(release, self._tools.read)
        settings = self._tools.settings
        digest = await digest_of(release, layers, self._tools.engines, settings.digest_algorithm)
        await self._restate_values(layers, digest)
        async with self._tools.chart_of(source, settings.requeue_dependency) as path:
            chart = await self._inspect(source, path, layers)
            async with cluster_of(release, self._tools, self._report) as cluster:
                return await self._release_at(cluster, self._run(source, path, chart, layers, digest, cluster))

    async def _release_at(self, cluster: Cluster, run: Run) -> Outcome:
        release, draft = self._release, self._draft
        conditions.forget_prerequisite_failures(draft, release, utc_now())
        if await self._moved(run):
            raise MoreToDo("release target configuration changed")
        self._begin_attempt(run)
        try:
            return await Loop(self._tools, run).run()
        finally:
            self._tools.claim(cluster, release, draft)

    async def _restate_values(self, layers: dict[str, Any], digest: str) -> None:
        """Values that are those of the last attempt are no new wish, though its digest is by another algorithm."""
        attempted, ours = self._draft.last_attempted_config_digest, self._tools.settings.digest_algorithm
        other = algorithm_of(attempted, ours)
        if other != ours and attempted == await digest_of(self._release, layers, self._tools.engines, other):
            self._draft.last_attempted_config_digest = digest

    def _find_source(self) -> ChartSource:
        settings = self._tools.settings
        try:
            return find_source(
                self._release,
                self._tools.sources,
                no_cross_namespace=settings.common.no_cross_namespace_refs,
                external_artifacts=settings.gate("ExternalArtifact"),
            )
        except SourceNotReady as error:
            raise SourceNotReady(str(error), after=settings.requeue_dependency) from None

    async def _inspect(self, source: ChartSource, path: Path, layers: dict[str, Any]) -> dict[str, Any]:
        """The chart's name, versions and definitions; `version` as Helm shall see it."""
        try:
            found: dict[str, Any] = await ask(
                self._tools.engines, "helm.chart", chart={"path": str(path), "version": ""}, values=layers
            )
        except HelmFailed as error:
            raise ArtifactFailed(f"Could not load chart: {error}") from error
        tracks = not self._tools.settings.gate("DisableChartDigestTracking")
        return found | {"version": released_version(source, found["version"], tracks_digests=tracks)}

    def _run(
        self, source: ChartSource, path: Path, chart: dict[str, Any], layers: dict[str, Any], digest: str, cluster: Cluster
    ) -> Run:
        release, draft = self._release, self._draft
        kube = acting_as(release, cluster, self._tools.settings)
        defaults = Defaults(self._tools.settings.gate("AllowDNSLookups"), self._tools.settings.gate("UseHelm3Defaults"))
        waiter = Waiter(
            release.key, cluster, kube, release.spec.health_check_exprs, as_helm3=options.waits_as_helm3(release, defaults)
        )
        helm = Helm(
            engines=self._tools.engines,
            connection=kube.connection,
            name=options.release_name(release),
            namespace=options.release_namespace(release),
            storage_namespace=options.storage_namespace(release),
            algorithm=self._tools.settings.digest_algorithm,
            record=draft,
            new_oci_digest=source.digest,
            owner=release.namespace,
            wait=lambda args: self._tools.waits.answer(waiter, args),
        )
        return Run(
            release=release,
            draft=draft,
            report=self._report,
            helm=helm,
            cluster=cluster,
            kube=kube.managing_as(names.HELM_CONTROLLER),
            chart_path=str(path),
            chart_name=chart["name"],
            version=chart["version"],
            app_version=chart["appVersion"],
            definitions=chart["definitions"],
            values=layers,
            config_digest=digest,
            defaults=defaults,
            superseded_by=lambda: waiter.superseded_by,
        )

    async def _moved(self, run: Run) -> bool:
        """Another name, place or chart than what is released: the old release goes first. Flux: 2.5-9."""
        draft, newest, release = self._draft, run.newest, self._release
        if newest is None or not draft.storage_namespace:
            return False
        upgrade = release.spec.upgrade
        in_place = bool(upgrade and upgrade.chart_name_change_strategy == "InPlaceUpdate")
        wanted = (options.storage_namespace(release), options.release_namespace(release), options.release_name(release))
        same_chart = in_place or newest.chart_name == run.chart_name
        if (draft.storage_namespace, newest.namespace, newest.name) == wanted and same_chart:
            return False
        old = replace(run.helm, name=newest.name, namespace=newest.namespace, storage_namespace=draft.storage_namespace)
        await uninstall(self._release, draft, self._report, old)
        draft.history, draft.storage_namespace, draft.inventory = (), "", None
        reset_counters(draft)
        return True

    def _begin_attempt(self, run: Run) -> None:
        """New wishes have their tries again. Flux: 2.5-10 (HN9)."""
        release, draft = self._release, self._draft
        attempted = (draft.last_attempted_generation, draft.last_attempted_revision, draft.last_attempted_config_digest)
        wanted = (release.metadata.generation, run.version, run.config_digest)
        if attempted != wanted or is_requested(release, names.RESET_AT, draft.last_handled_reset_at):
            reset_counters(draft)
        draft.last_handled_reset_at = release.metadata.annotations.get(names.RESET_AT, draft.last_handled_reset_at)
        draft.last_attempted_generation, draft.last_attempted_revision, draft.last_attempted_config_digest = wanted
        draft.last_attempted_revision_digest = run.helm.new_oci_digest
        draft.last_attempted_values_checksum, draft.last_release_revision = "", 0  # of older versions of the API
        draft.storage_namespace = run.helm.storage_namespace
