"""HelmChart: one pass from a source to a packaged chart. Flux: source-kustomize.md 6 (SK16, SK17, SK18)."""

import asyncio
import datetime
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.meta import Artifact, Key, Object, Status
from fleetloop.api.source import HelmChart, HelmChartStatus, HelmRepository
from fleetloop.controllers.source.artifact import Storage, work_folder
from fleetloop.controllers.source.chart_failures import BuildFailed, BuildRefused
from fleetloop.controllers.source.chart_fetch import ChartFetch, Fetched
from fleetloop.controllers.source.failures import FetchFailed, FetchRefused, SourceFailure
from fleetloop.controllers.source.helm_repository import is_static
from fleetloop.controllers.source.source_pass import SourcePass, SourceReconciler
from fleetloop.engine import EngineError, EngineGone, Engines, Family
from fleetloop.runtime.controller import Report
from fleetloop.runtime.outcome import Outcome
from fleetloop.storage.store import LATEST
from fleetloop.storage.tarball import UnsafeArchive, unpack

BUILD_TIMEOUT = 60.0  # seconds
_SHOWN = 12  # characters of a revision's hash in a version
_PROBLEMS = {
    "metadata": (BuildRefused, reasons.METADATA_PATCH_ERROR, "chart metadata patch error"),
    "values": (BuildRefused, reasons.VALUES_FILES_ERROR, "values files merge error"),
    "dependencies": (BuildFailed, reasons.DEPENDENCY_BUILD_ERROR, "dependency build error"),
    "package": (BuildFailed, reasons.CHART_PACKAGE_ERROR, "chart package error"),
}


@dataclass(frozen=True, slots=True)
class Built:
    """A package on disk; `used`: values files that were there."""

    path: Path
    name: str
    version: str
    packaged: bool
    used: tuple[str, ...]


class HelmChartReconciler(SourceReconciler[HelmChart]):
    def __init__(
        self,
        storage: Storage,
        now: Callable[[], datetime.datetime],
        find: Callable[[Key], Object | None],
        fetch: ChartFetch,
        engines: Engines,
        temp: Path | None = None,
    ) -> None:
        """`find`: a source as last seen."""
        super().__init__(storage, now)
        self.find, self.fetch, self.engines, self.temp = find, fetch, engines, temp

    async def reconcile(self, obj: HelmChart, draft: Status, report: Report) -> Outcome:
        """Raises SourceFailure."""
        return await _Pass(self, obj, cast(HelmChartStatus, draft), report).run()


class _Pass(SourcePass):
    def __init__(self, tools: HelmChartReconciler, obj: HelmChart, draft: HelmChartStatus, report: Report) -> None:
        super().__init__(tools, obj, draft, report)  # type: ignore[arg-type]  # a reconciler of one kind of Object
        self._tools, self._chart, self._status = tools, obj, draft

    async def run(self) -> Outcome:
        chart = self._chart
        await self.begin()
        source, artifact = self._find_source()
        self._status.observed_source_artifact_revision = artifact.revision if artifact else ""
        async with work_folder(self._tools.temp) as folder:
            built = await self._build(source, artifact, folder)
            self.clear(reasons.FETCH_FAILED, reasons.BUILD_FAILED)
            merged = f" and merged values files [{' '.join(built.used)}]" if built.used else ""
            verb = "packaged" if built.packaged else "pulled"
            said = f"{verb} '{built.name}' chart with version '{built.version}'{merged}"
            reason = reasons.CHART_PACKAGE_SUCCEEDED if built.packaged else reasons.CHART_PULL_SUCCEEDED
            if not self._is_current(built):
                progress = f"new '{built.name}' chart with version '{built.version}'"
                await self.announce(built.version, progress, reasons.NEW_CHART)
                await self._store(built)
        self.stored(said, reason)
        return self.done(seconds_of(chart.spec.interval), said, reason, reason)

    def _find_source(self) -> tuple[Object, Artifact | None]:
        """With its artifact; a static repository has none."""
        chart, ref = self._chart, self._chart.spec.source_ref
        source = self._tools.find(Key(ref.kind, chart.namespace, ref.name))
        if source is None:
            message = f"failed to get source: {ref.kind} '{chart.namespace}/{ref.name}' not found"
            raise SourceFailure(reasons.SOURCE_UNAVAILABLE, message)
        if isinstance(source, HelmRepository) and is_static(source):
            return source, None
        artifact: Artifact | None = source.status.artifact  # type: ignore[attr-defined]  # every source kind has one
        if artifact is None or not self._tools.storage.has(source, artifact):
            message = f"no artifact available for {ref.kind} source '{ref.name}'"
            raise FetchFailed(reasons.NO_SOURCE_ARTIFACT, message)
        return source, artifact

    async def _build(self, source: Object, artifact: Artifact | None, folder: Path) -> Built:
        if self._chart.spec.verify is None:
            self.clear(reasons.SOURCE_VERIFIED)
        if isinstance(source, HelmRepository):
            fetched = await self._fetch(source, artifact, folder)
            if not self._values_files:
                return Built(fetched.path, fetched.name, fetched.version, False, ())
            return await self._package(fetched.path, "", "", folder, metadata=str(self._chart.metadata.generation))
        assert artifact is not None  # only static repositories have none
        tree = folder / "source"
        await asyncio.to_thread(_unpack, self._tools.storage.file_of(source, artifact), tree)
        return await self._from_tree(tree, artifact, folder)

    async def _fetch(self, source: HelmRepository, artifact: Artifact | None, folder: Path) -> Fetched:
        try:
            fetched = await self._tools.fetch.chart(self._chart, source, artifact, folder, self.report)
        except BuildFailed as error:
            self.clear(reasons.FETCH_FAILED)
            self.deny(reasons.SOURCE_VERIFIED, reasons.VERIFICATION_ERROR, str(error))
            raise
        self.clear(reasons.FETCH_FAILED)
        if fetched.is_verified:
            self.mark(reasons.SOURCE_VERIFIED, reasons.SUCCEEDED, f"verified signature of version {fetched.version}")
        else:
            self.clear(reasons.SOURCE_VERIFIED)
        return fetched

    async def _from_tree(self, tree: Path, artifact: Artifact, folder: Path) -> Built:
        spec = self._chart.spec
        suffix = []
        if spec.reconcile_strategy == "Revision":
            suffix.append(artifact.revision.rpartition(":")[2][:_SHOWN])
        if self._values_files:
            suffix.append(str(self._chart.metadata.generation))
        seen = await self._ask("charts.inspect", source=self._place(tree, spec.chart))
        self.clear(reasons.FETCH_FAILED)
        if not seen["isFolder"] and not suffix:
            return Built(tree / spec.chart.lstrip("/"), seen["name"], seen["version"], False, ())
        wanted = await self._dependencies(seen["missing"], tree, folder)
        return await self._package(tree, spec.chart, str(tree), folder, metadata=".".join(suffix), dependencies=wanted)

    async def _dependencies(self, missing: list[dict[str, str]], tree: Path, folder: Path) -> list[dict[str, Any]]:
        """What a chart in a folder wants and does not carry: of the same tree, or from repositories."""
        found = []
        for number, wanted in enumerate(missing):
            name, version, repository = wanted["name"], wanted["version"], wanted["repository"]
            if not repository or repository.startswith("file://"):
                below = repository.removeprefix("file://") or f"charts/{name}"
                found.append(self._place(tree, f"{self._chart.spec.chart}/{below}") | {"version": version})
                continue
            into = folder / f"dependency-{number}"
            await asyncio.to_thread(into.mkdir)
            fetched = await self._tools.fetch.dependency(self._chart, repository, name, version, into, self.report)
            found.append(self._place(into, fetched.path.name))
        if missing:
            self.report.event("Trace", reasons.RESOLVED_DEPENDENCIES, f"resolved {len(missing)} chart dependencies")
        return found

    def _place(self, root: Path, path: str) -> dict[str, Any]:
        """Of a chart, for the engine."""
        bounds = self._tools.fetch.bounds
        return {"root": str(root), "path": path, "limits": {"chart": bounds.chart, "file": bounds.file}}

    async def _package(
        self,
        root: Path,
        path: str,
        values_root: str,
        folder: Path,
        *,
        metadata: str,
        dependencies: list[dict[str, Any]] | None = None,
    ) -> Built:
        into = folder / "package"
        await asyncio.to_thread(into.mkdir)
        source = self._place(root, path) if path else self._place(root.parent, root.name)
        made = await self._ask(
            "charts.build",
            source=source,
            dependencies=dependencies or [],
            valuesFiles=list(self._values_files),
            valuesRoot=values_root,
            ignoreMissing=self._chart.spec.ignore_missing_values_files,
            metadata=metadata,
            into=str(into),
        )
        if made["problem"]:
            failure, reason, summary = _PROBLEMS[made["problem"]]
            raise failure(reason, f"{summary}: {made['error']}")
        return Built(Path(made["path"]), made["name"], made["version"], True, tuple(made["valuesFiles"]))

    @property
    def _values_files(self) -> tuple[str, ...]:
        """The chart's own values alone count as none."""
        files = self._chart.spec.values_files
        return () if files == ("values.yaml",) else files

    async def _ask(self, verb: str, **arguments: Any) -> Any:
        try:
            return await self._tools.engines.call_surely(Family.HELM, verb, BUILD_TIMEOUT, **arguments)
        except (EngineError, EngineGone) as error:
            raise FetchRefused(reasons.INVALID_CHART_REFERENCE, f"invalid chart reference: {error}") from error

    def _is_current(self, built: Built) -> bool:
        """SK17: the same name and version is the same chart, unless the object changed."""
        seen = self._status.observed_generation == self._chart.metadata.generation
        return seen and self.is_stored(built.version) and self._status.observed_chart_name == built.name

    async def _store(self, built: Built) -> None:
        name = f"{built.name}-{built.version}.tgz"
        with built.path.open("rb") as content:
            self.artifact = await self.storage.write(
                self._chart, name, built.version, lambda out: shutil.copyfileobj(content, out)
            )
        self._status.url = await self.storage.link(self.artifact, LATEST)
        self._status.observed_chart_name = built.name
        self._status.observed_values_files = built.used if self._chart.spec.ignore_missing_values_files else ()


def _unpack(archive: Path, into: Path) -> None:
    into.mkdir()
    try:
        unpack(archive, into)
    except UnsafeArchive as error:
        raise FetchFailed(reasons.CHART_PULL_ERROR, f"chart pull error: {error}") from error
