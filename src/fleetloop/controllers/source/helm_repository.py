"""HelmRepository of the default type: its index becomes the artifact. Flux: source-kustomize.md 5 (SK15)."""

import asyncio
import datetime
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

import aiohttp

from fleetloop import helm_index
from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.meta import Status
from fleetloop.api.source import HelmRepository, HelmRepositoryStatus
from fleetloop.controllers.source.artifact import Storage, work_folder
from fleetloop.controllers.source.failures import FetchFailed, FetchRefused
from fleetloop.controllers.source.helm_access import helm_access
from fleetloop.controllers.source.source_pass import SourcePass, SourceReconciler
from fleetloop.engine import EngineError, EngineGone, Engines, Family
from fleetloop.kube.client import Kube
from fleetloop.runtime.controller import Report
from fleetloop.runtime.outcome import Outcome

LINK = "index.yaml"
DEFAULT_INTERVAL = DEFAULT_TIMEOUT = 60.0  # seconds
_INDEX_TIMEOUT = 60.0


def is_static(repository: HelmRepository) -> bool:
    """SK14: of type oci, an address that others read."""
    return repository.spec.type == "oci"


class HelmRepositoryReconciler(SourceReconciler[HelmRepository]):
    def __init__(
        self,
        storage: Storage,
        now: Callable[[], datetime.datetime],
        kube: Kube,
        session: aiohttp.ClientSession,
        engines: Engines,
        max_index: int,
        temp: Path | None = None,
    ) -> None:
        """`max_index` in bytes."""
        super().__init__(storage, now)
        self.kube, self.session, self.engines, self.max_index, self.temp = kube, session, engines, max_index, temp

    async def reconcile(self, obj: HelmRepository, draft: Status, report: Report) -> Outcome:
        """Raises SourceFailure."""
        return await _Pass(self, obj, cast(HelmRepositoryStatus, draft), report).run()


class _Pass(SourcePass):
    def __init__(self, tools: HelmRepositoryReconciler, obj: HelmRepository, draft: HelmRepositoryStatus, report: Report) -> None:
        super().__init__(tools, obj, draft, report)  # type: ignore[arg-type]  # a reconciler of one kind of Object
        self._tools, self._repository, self._status = tools, obj, draft

    async def run(self) -> Outcome:
        repository, tools = self._repository, self._tools
        spec = repository.spec
        await self.begin()
        try:
            url = helm_index.index_url(spec.url)
        except helm_index.InvalidRepositoryUrl as error:
            raise FetchRefused(reasons.URL_INVALID, str(error)) from error
        access = await helm_access(tools.kube, repository)
        timeout = seconds_of(spec.timeout) if spec.timeout else DEFAULT_TIMEOUT
        async with work_folder(tools.temp) as folder:
            raw = folder / "index"
            digest = await self._fetch(url, access, raw, timeout)
            revision = f"sha256:{digest}"
            self.clear(reasons.FETCH_FAILED)
            if not self.is_stored(revision):
                await self.announce(revision, f"new index revision '{revision}'")
                await self._store(raw, folder / "index.json", digest)
        self.stored(f"stored artifact: revision '{revision}'")
        size = human_size((self.artifact and self.artifact.size) or 0)
        interval = seconds_of(spec.interval) if spec.interval else DEFAULT_INTERVAL
        return self.done(interval, f"stored fetched index of size {size} from '{spec.url}'")

    async def _fetch(self, url: str, access: helm_index.Access, into: Path, timeout: float) -> str:
        what = "failed to fetch Helm repository index: failed to cache index to temporary file"
        try:
            async with asyncio.timeout(timeout):
                return await helm_index.fetch(
                    self._tools.session, url, self._repository.spec.url, access, into, self._tools.max_index
                )
        except TimeoutError as error:
            raise FetchFailed(reasons.FAILED, f"{what}: no answer within {timeout:g}s") from error
        except helm_index.HelmRepositoryError as error:
            raise FetchFailed(reasons.FAILED, f"{what}: {error}") from error

    async def _store(self, raw: Path, made: Path, digest: str) -> None:
        """What is stored is not what was fetched: parsed, sorted, without what Helm would refuse."""
        try:
            await parse_index(self._tools.engines, raw, made)
        except (EngineError, EngineGone) as error:
            message = f"failed to load Helm repository from index YAML: {error}"
            raise FetchFailed(reasons.INDEXATION_FAILED, message) from error
        with made.open("rb") as content:
            name = f"index-{digest}.yaml"
            self.artifact = await self.storage.write(
                self._repository, name, f"sha256:{digest}", lambda out: shutil.copyfileobj(content, out)
            )
        self._status.url = await self.storage.link(self.artifact, LINK)


async def parse_index(engines: Engines, raw: Path, into: Path) -> None:
    """From what a server gave to JSON. Raises EngineError, EngineGone."""
    await engines.call_surely(Family.HELM, "charts.index", _INDEX_TIMEOUT, path=str(raw), into=str(into))


def human_size(size: float) -> str:
    """Decimal units and four digits, as Docker prints sizes: `30.88kB`."""
    units = ("B", "kB", "MB", "GB")
    number = 0
    while size >= 1000 and number < len(units) - 1:
        size, number = size / 1000, number + 1
    return f"{size:.4g}{units[number]}"
