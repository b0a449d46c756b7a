"""Charts from repositories: which version of an index or a registry is meant, and its package. Flux: source-kustomize.md 6.2."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from fleetloop import helm_index, oci
from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.meta import Artifact
from fleetloop.api.source import HelmChart, HelmRepository
from fleetloop.controllers.source.artifact import Storage
from fleetloop.controllers.source.failures import FetchFailed, FetchRefused
from fleetloop.controllers.source.helm_access import helm_access
from fleetloop.controllers.source.helm_repository import DEFAULT_TIMEOUT
from fleetloop.controllers.source.oci_access import OciAccess
from fleetloop.engine import EngineError, EngineGone
from fleetloop.kube.client import Kube
from fleetloop.oci.content import HELM_CHART

_CHART_NAME = re.compile(r"([-a-z0-9]+/?\.?)+")
_FULL_VERSION = re.compile(r"v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
# (range, versions, how they are parsed) -> those in range, highest first. Raises EngineError for a bad range.
Select = Callable[[str, Sequence[str], str], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Fetched:
    path: Path
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class ChartFetch:
    """`max_chart` in bytes. `repositories`: all HelmRepositories as last seen."""

    kube: Kube
    session: aiohttp.ClientSession
    storage: Storage
    access: OciAccess
    select: Select
    repositories: Callable[[], Iterable[HelmRepository]]
    max_chart: int

    async def chart(self, chart: HelmChart, source: HelmRepository, artifact: Artifact | None, folder: Path) -> Fetched:
        """Of a repository; `artifact`: its index, None for a registry. Raises FetchFailed, FetchRefused."""
        timeout = seconds_of(source.spec.timeout) if source.spec.timeout else DEFAULT_TIMEOUT
        try:
            async with asyncio.timeout(timeout):
                if artifact is None:
                    return await self._from_registry(source, chart.spec.chart, chart.spec.version, folder)
                return await self._from_index(source, artifact, chart.spec.chart, chart.spec.version, folder)
        except TimeoutError as error:
            raise _pull_error(f"no answer within {timeout:g}s") from error

    async def dependency(self, chart: HelmChart, repository: str, name: str, version: str, folder: Path) -> Fetched:
        """Of a chart in a folder: through the HelmRepository of the namespace with that address, whose index is stored."""
        source = next(
            (
                one
                for one in self.repositories()
                if one.namespace == chart.namespace and _normal(one.spec.url) == _normal(repository)
            ),
            None,
        )
        if source is None:
            message = f"dependency build error: no HelmRepository of the namespace has the address '{repository}'"
            raise FetchFailed(reasons.DEPENDENCY_BUILD_ERROR, message)
        if repository.startswith("oci://"):
            return await self._from_registry(source, name, version, folder)
        if source.status.artifact is None:
            message = f"dependency build error: HelmRepository '{source.name}' has no index yet"
            raise FetchFailed(reasons.DEPENDENCY_BUILD_ERROR, message)
        return await self._from_index(source, source.status.artifact, name, version, folder)

    async def _from_index(self, source: HelmRepository, artifact: Artifact, name: str, version: str, folder: Path) -> Fetched:
        content = await asyncio.to_thread(self.storage.file_of(artifact).read_bytes)
        try:
            found = await self._choose(await asyncio.to_thread(_versions, content, name), version)
        except (helm_index.HelmRepositoryError, EngineError, EngineGone) as error:
            # SK18: nothing but a new index, another wish or a request can help.
            message = f"invalid chart reference: failed to get chart version for remote reference: {error}"
            raise FetchRefused(reasons.INVALID_CHART_REFERENCE, message) from error
        if not found.urls:
            raise _pull_error(f"chart '{name}' has no downloadable URLs")
        url, path = helm_index.resolved(source.spec.url, found.urls[0]), folder / "chart.tgz"
        access = await helm_access(self.kube, source)
        try:
            if urlsplit(url).scheme == "oci":
                return await self._pull(source, oci.Reference.parse(url), folder, found.version)
            await helm_index.fetch(self.session, url, source.spec.url, access, path, self.max_chart)
        except helm_index.AuthenticationFailed as error:
            raise _unauthenticated(error) from error
        except (helm_index.HelmRepositoryError, oci.OciError) as error:
            raise _pull_error(f"failed to download chart for remote reference: {error}") from error
        return Fetched(path, found.name or name, found.version)

    async def _choose(self, versions: Sequence[helm_index.ChartVersion], wanted: str) -> helm_index.ChartVersion:
        """The very text first, else the highest in range; equal ones by when they were made."""
        exact = next((one for one in versions if one.version == wanted), None)
        if exact:
            return exact
        matches = await self.select(wanted or "*", [one.version for one in versions], "lenient")
        if not matches:
            raise helm_index.ChartNotFound(f"no chart version found for version '{wanted}'")
        best = [one for one in versions if one.version.partition("+")[0] == matches[0].partition("+")[0]]
        return max(best, key=lambda one: one.created)

    async def _from_registry(self, source: HelmRepository, name: str, version: str, folder: Path) -> Fetched:
        if not _CHART_NAME.fullmatch(name):
            message = f"invalid chart reference: '{name}' is no chart name"
            raise FetchRefused(reasons.INVALID_CHART_REFERENCE, message)
        try:
            repository = oci.Repository.parse(f"{source.spec.url.rstrip('/')}/{name}")
            tag = version.replace("+", "_") if _FULL_VERSION.fullmatch(version) else ""
            registry = oci.Registry(self.session, await self.access.of(source.namespace, source.spec, repository))
            if not tag:
                tag = await self._newest_tag(registry, repository, version)
            return await self._pull_with(registry, repository.tagged(tag), folder, tag.replace("_", "+"))
        except oci.AuthenticationFailed as error:
            raise _unauthenticated(error) from error
        except (oci.OciError, EngineError, EngineGone) as error:
            raise _pull_error(str(error)) from error

    async def _newest_tag(self, registry: oci.Registry, repository: oci.Repository, wanted: str) -> str:
        versions = {tag.replace("_", "+"): tag for tag in await registry.tags(repository)}
        matches = await self.select(wanted or "*", list(versions), "strict")
        if not matches:
            raise oci.NotFound(f"could not locate a version matching provided version string {wanted}")
        return versions[matches[0]]

    async def _pull(self, source: HelmRepository, reference: oci.Reference, folder: Path, version: str) -> Fetched:
        access = await self.access.of(source.namespace, source.spec, reference.repository)
        return await self._pull_with(oci.Registry(self.session, access), reference, folder, version)

    async def _pull_with(self, registry: oci.Registry, reference: oci.Reference, folder: Path, version: str) -> Fetched:
        manifest = await registry.image(reference)
        layer = next((one for one in manifest.layers if one.media_type == HELM_CHART), None)
        if layer is None:
            raise oci.NotFound(f"{reference} holds no chart")
        path = folder / "chart.tgz"
        with path.open("wb") as out:
            await registry.blob(reference.repository, layer.digest, out, self.max_chart)
        return Fetched(path, reference.repository.name.rpartition("/")[2], version)


def _versions(content: bytes, name: str) -> list[helm_index.ChartVersion]:
    return helm_index.Index(content).versions(name)


def _normal(url: str) -> str:
    return url.rstrip("/").lower()


def _unauthenticated(error: Exception) -> FetchFailed:
    return FetchFailed(reasons.AUTHENTICATION_FAILED, f"failed to authenticate with the Helm repository: {error}")


def _pull_error(text: str) -> FetchFailed:
    return FetchFailed(reasons.CHART_PULL_ERROR, f"chart pull error: {text}")
