"""A HelmRelease's pass: gather what is wanted and what is there, and act until they agree. Flux: 2.5, 2.7.

A release that another action of ours was killed in is unlocked and healed here, without anybody's help.
"""

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec

from fleetloop.api import names
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus
from fleetloop.api.meta import Key, Status
from fleetloop.controllers.helm import conditions
from fleetloop.controllers.helm import release as options
from fleetloop.controllers.helm.actions import Run
from fleetloop.controllers.helm.chart_source import ChartSource, chart_manifest, find_source, released_version, source_key
from fleetloop.controllers.helm.engine import Helm, HelmFailed, ask
from fleetloop.controllers.helm.failures import (
    AccessDenied,
    ActionFailed,
    ArtifactFailed,
    BadExpression,
    DependencyNotReady,
    SourceNotReady,
)
from fleetloop.controllers.helm.finalize import acting_as, delete_chart, finalize, uninstall
from fleetloop.controllers.helm.loop import Loop, is_requested, reset_counters
from fleetloop.controllers.helm.tools import HelmTools
from fleetloop.controllers.helm.values import merge, read_values
from fleetloop.kube.errors import ApiError
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.controller import Report
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
        await self._sync_chart()
        if draft.observed_generation != release.metadata.generation:
            conditions.begin(draft, release, utc_now())
            await self._report.progress()
        await self._check_dependencies()
        source = self._find_source()
        layers = await read_values(release, self._tools.kube)
        settings = self._tools.settings
        values, digest = await merge(release, layers, self._tools.engines, settings.digest_algorithm)
        del values  # the engine merges them again: it must see the layers (HN4)
        async with self._tools.chart_of(source, settings.requeue_dependency) as path:
            run = await self._open(source, path, layers, digest)
            conditions.forget_prerequisite_failures(draft, release, utc_now())
            if await self._moved(run):
                raise ActionFailed("Progressing", "release target configuration changed")
            self._begin_attempt(run)
            return await Loop(self._tools, run).run()

    async def _sync_chart(self) -> None:
        """The HelmChart of a chart template is ours; one that is not wanted any more goes."""
        release, draft, kube = self._release, self._draft, self._tools.kube
        wanted = chart_manifest(release)
        name = ""
        if wanted:
            name = f"{wanted['metadata']['namespace']}/{wanted['metadata']['name']}"
            if wanted["metadata"]["namespace"] != release.namespace and self._tools.settings.common.no_cross_namespace_refs:
                spec = release.spec.chart.spec.source_ref if release.spec.chart else None
                assert spec is not None  # there is a template
                message = f"cannot access {spec.kind} {spec.namespace}/{spec.name}"
                raise AccessDenied(f"cross-namespace references are not allowed: {message}")
        if draft.helm_chart and draft.helm_chart != name:
            await delete_chart(kube, draft.helm_chart)
        draft.helm_chart = name
        live = self._tools.sources.find(source_key(release)) if wanted else None
        if wanted and (live is None or draft.observed_generation != release.metadata.generation):
            try:
                await kube.apply(wanted, field_manager=names.HELM_CONTROLLER)
            except ApiError as error:
                raise ArtifactFailed(f"failed to apply HelmChart/{name}: {error.message}") from error

    async def _check_dependencies(self) -> None:
        """Flux: 2.5-4. Whoever becomes ready wakes those who wait for it."""
        release, after = self._release, self._tools.settings.requeue_dependency
        for ref in release.spec.depends_on:
            namespace = ref.namespace or release.namespace
            found = self._tools.find(Key("HelmRelease", namespace, ref.name))
            name = f"{namespace}/{ref.name}"
            if found is None:
                raise DependencyNotReady(f"unable to get '{name}' dependency: not found", after=after)
            if ref.ready_expr and not await self._holds(ref.ready_expr, found):
                raise DependencyNotReady(f"dependency '{name}' is not ready according to readyExpr eval", after=after)
            if ref.ready_expr and not self._tools.settings.gate("AdditiveCELDependencyCheck"):
                continue
            if found.status.observed_generation != found.metadata.generation or not found.status.is_true("Ready"):
                raise DependencyNotReady(f"dependency '{name}' is not ready", after=after)

    async def _holds(self, expression: str, dependency: HelmRelease) -> bool:
        variables = {"self": msgspec.to_builtins(self._release), "dep": msgspec.to_builtins(dependency)}
        try:
            return await self._tools.holds(expression, variables)
        except ValueError as error:
            raise BadExpression(f"spec.dependsOn readyExpr {expression!r}: {error}") from error

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

    async def _open(self, source: ChartSource, path: Path, layers: dict[str, Any], digest: str) -> Run:
        release, draft = self._release, self._draft
        engines, kube = self._tools.engines, acting_as(release, self._tools)
        try:
            found = await ask(engines, "helm.chart", chart={"path": str(path), "version": ""}, values=layers)
        except HelmFailed as error:
            raise ArtifactFailed(f"Could not load chart: {error}") from error
        tracks = not self._tools.settings.gate("DisableChartDigestTracking")
        version = released_version(source, found["version"], tracks_digests=tracks)
        helm = Helm(
            engines,
            kube.connection,
            options.release_name(release),
            options.release_namespace(release),
            draft.storage_namespace or options.storage_namespace(release),
            self._tools.settings.digest_algorithm,
            {one.version: one.oci_digest for one in draft.history if one.oci_digest},
            source.digest,
            lambda _, args: self._tools.waits.answer(kube, args),
        )
        return Run(
            release=release,
            draft=draft,
            report=self._report,
            helm=helm,
            kube=kube.managing_as(names.HELM_CONTROLLER),
            chart_path=str(path),
            chart_name=found["name"],
            version=version,
            app_version=found["appVersion"],
            definitions=found["definitions"],
            values=layers,
            config_digest=digest,
            allow_dns=self._tools.settings.gate("AllowDNSLookups"),
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
        draft.storage_namespace = run.helm.storage_namespace
