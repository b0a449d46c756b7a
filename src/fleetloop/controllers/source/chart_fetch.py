"""Charts from repositories: which version of an index or a registry is meant, and its package. Flux: source-kustomize.md 6.2."""

import asyncio
import dataclasses
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import re2  # type: ignore[import-untyped]

from fleetloop import helm_index, oci
from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.meta import Artifact, ObjectMeta
from fleetloop.api.source import HelmChart, HelmChartVerification, HelmRepository, HelmRepositorySpec
from fleetloop.controllers.source.artifact import Storage
from fleetloop.controllers.source.chart_failures import BuildFailed
from fleetloop.controllers.source.failures import FetchFailed, FetchRefused, SourceFailure
from fleetloop.controllers.source.helm_access import helm_access
from fleetloop.controllers.source.helm_repository import DEFAULT_TIMEOUT, parse_index
from fleetloop.controllers.source.index_cache import IndexCache
from fleetloop.controllers.source.oci_access import OciAccess
from fleetloop.controllers.source.signatures import Signatures, Signed, Unverified
from fleetloop.engine import EngineError, EngineGone, Engines
from fleetloop.kube.client import Kube
from fleetloop.oci.content import HELM_CHART
from fleetloop.runtime.controller import Report

_CHART_NAME = re2.compile(r"([-a-z0-9]+/?\.?)+")  # in `re` it takes exponential time
_CERTIFICATES = ("certificate verify failed", "[ssl:")  # in what TLS says
_FULL_VERSION = re.compile(r"v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
# (range, versions, how they are parsed) -> those in range, highest first. Raises EngineError for a bad range.
Select = Callable[[str, Sequence[str], str], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Fetched:
    """`is_verified`: a signature was asked for, and holds."""

    path: Path
    name: str
    version: str
    is_verified: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """In bytes."""

    index: int
    chart: int
    file: int


@dataclass(frozen=True, slots=True)
class ChartFetch:
    """`repositories`: all HelmRepositories as last seen."""

    kube: Kube
    session: aiohttp.ClientSession
    storage: Storage
    access: OciAccess
    signatures: Signatures
    engines: Engines
    select: Select
    repositories: Callable[[], Iterable[HelmRepository]]
    cache: IndexCache
    bounds: Bounds

    async def chart(
        self, chart: HelmChart, source: HelmRepository, artifact: Artifact | None, folder: Path, report: Report
    ) -> Fetched:
        """Of a repository; `artifact`: its index, None for a registry. Raises SourceFailure."""
        timeout = seconds_of(source.spec.timeout) if source.spec.timeout else DEFAULT_TIMEOUT
        wanted = (chart.spec.chart, chart.spec.version, folder)
        try:
            async with asyncio.timeout(timeout):
                if artifact is None:
                    return await self._from_registry(chart, source, *wanted, chart.spec.verify)
                if chart.spec.verify:
                    raise BuildFailed(reasons.CHART_VERIFICATION_ERROR, "chart verification error: not implemented")
                return await self._from_index(chart, source, await self._stored_index(source, artifact, report), *wanted)
        except TimeoutError as error:
            raise _pull_error(f"no answer within {timeout:g}s") from error

    async def dependency(
        self, chart: HelmChart, repository: str, name: str, version: str, folder: Path, report: Report
    ) -> Fetched:
        """Of a chart in a folder: a HelmRepository of the namespace with that address has the credentials, else nobody has.

        Raises BuildFailed.
        """
        mine = (one for one in self.repositories() if one.namespace == chart.namespace)
        known = next((one for one in mine if _normal(one.spec.url) == _normal(repository)), None)
        source = known or _anonymous(chart, repository)
        try:
            async with asyncio.timeout(seconds_of(source.spec.timeout) if source.spec.timeout else DEFAULT_TIMEOUT):
                if repository.startswith("oci://"):
                    return await self._from_registry(chart, source, name, version, folder)
                index = await self._index(source, folder, report)
                return await self._from_index(chart, source, index, name, version, folder)
        except TimeoutError as error:
            raise _dependency_error(f"'{name}' of '{repository}': no answer in time") from error
        except (SourceFailure, helm_index.HelmRepositoryError, EngineError, EngineGone) as error:
            raise _dependency_error(f"failed to get chart '{name}' version '{version}' from '{repository}': {error}") from error

    async def _index(self, source: HelmRepository, folder: Path, report: Report) -> helm_index.Index:
        artifact = source.status.artifact
        if artifact is not None and self.storage.has(source, artifact):
            return await self._stored_index(source, artifact, report)
        url, raw, made = helm_index.index_url(source.spec.url), folder / "index", folder / "index.json"
        access = await helm_access(self.kube, source)
        await helm_index.fetch(self.session, url, source.spec.url, access, raw, self.bounds.index)
        await parse_index(self.engines, raw, made)
        return await asyncio.to_thread(_read_index, made)

    async def _stored_index(self, source: HelmRepository, artifact: Artifact, report: Report) -> helm_index.Index:
        kept = self.cache.get(artifact.path, source.key)
        if kept is not None:
            return kept
        try:
            index = await asyncio.to_thread(_read_index, self.storage.file_of(source, artifact))
        except helm_index.HelmRepositoryError as error:
            raise _no_version(error) from error
        if not self.cache.keep(artifact.path, index):
            message = f"failed to cache the index of HelmRepository '{source.name}': the cache is full"
            report.event("Trace", reasons.CACHE_OPERATION_FAILED, message)
        return index

    async def _from_index(
        self, owner: HelmChart, source: HelmRepository, index: helm_index.Index, name: str, version: str, folder: Path
    ) -> Fetched:
        try:
            found = await self._choose(await asyncio.to_thread(index.versions, name), version)
        except (helm_index.HelmRepositoryError, EngineError, EngineGone) as error:
            raise _no_version(error) from error
        if not found.urls:
            raise _pull_error(f"chart '{name}' has no downloadable URLs")
        path = folder / "chart.tgz"
        try:
            url = helm_index.resolved(source.spec.url, found.urls[0])
            if urlsplit(url).scheme == "oci":
                reference = oci.Reference.parse(url)
                registry = await self._registry(owner, source, reference.repository)
                return await self._pull(registry, reference, folder, found.version)
            access = await helm_access(self.kube, source)
            await helm_index.fetch(self.session, url, source.spec.url, access, path, self.bounds.chart)
        except (helm_index.AuthenticationFailed, oci.AuthenticationFailed) as error:
            raise _unauthenticated(error) from error
        except (helm_index.HelmRepositoryError, oci.OciError) as error:
            raise _pull_error(f"failed to download chart for remote reference: {error}") from error
        return Fetched(path, found.name or name, found.version)

    async def _choose(self, versions: Sequence[helm_index.ChartVersion], wanted: str) -> helm_index.ChartVersion:
        """The very text first, else the highest in range; equal ones by when they were made."""
        exact = next((one for one in versions if one.version == wanted), None)
        if exact:
            return exact
        matches = await self.select(wanted or "*", [one.version for one in versions], "dotted")
        if not matches:
            raise helm_index.ChartNotFound(f"no chart version found for version '{wanted}'")
        best = [one for one in versions if one.version.partition("+")[0] == matches[0].partition("+")[0]]
        return max(best, key=lambda one: one.created)

    async def _from_registry(
        self,
        owner: HelmChart,
        source: HelmRepository,
        name: str,
        version: str,
        folder: Path,
        verify: HelmChartVerification | None = None,
    ) -> Fetched:
        if not _CHART_NAME.fullmatch(name):
            message = f"invalid chart reference: '{name}' is no chart name"
            raise FetchRefused(reasons.INVALID_CHART_REFERENCE, message)
        try:
            repository = oci.Repository.at_host(f"{source.spec.url.rstrip('/')}/{name}")
            tag = version.replace("+", "_") if _FULL_VERSION.fullmatch(version) else ""
            registry = await self._registry(owner, source, repository)
            reference = repository.tagged(tag or await self._newest_tag(registry, repository, version))
            digest = await registry.resolve(reference)
            is_verified = verify is not None and await self._verify(owner, verify, Signed(registry, reference, digest))
            fetched = await self._pull(registry, repository.at(digest), folder, reference.tag.replace("_", "+"))
            return dataclasses.replace(fetched, is_verified=is_verified)
        except oci.AuthenticationFailed as error:
            raise _unauthenticated(error) from error
        except (oci.OciError, EngineError, EngineGone) as error:
            raise _pull_error(str(error)) from error

    async def _verify(self, owner: HelmChart, wanted: HelmChartVerification, signed: Signed) -> bool:
        try:
            return await self.signatures.verify(owner.namespace, wanted, signed)
        except Unverified as error:
            message = f"chart verification error: failed to verify {signed.reference}: {error}"
            raise BuildFailed(reasons.CHART_VERIFICATION_ERROR, message) from error

    async def _registry(self, owner: HelmChart, source: HelmRepository, repository: oci.Repository) -> oci.Registry:
        return oci.Registry(self.session, await self.access.of(owner, source.spec, repository))

    async def _newest_tag(self, registry: oci.Registry, repository: oci.Repository, wanted: str) -> str:
        versions = {tag.replace("_", "+"): tag for tag in await registry.tags(repository)}
        matches = await self.select(wanted or "*", list(versions), "strict")
        if not matches:
            raise oci.NotFound(f"could not locate a version matching provided version string {wanted}")
        return versions[matches[0]]

    async def _pull(self, registry: oci.Registry, reference: oci.Reference, folder: Path, version: str) -> Fetched:
        manifest = await registry.image(reference)
        layer = next((one for one in manifest.layers if one.media_type == HELM_CHART), None)
        if layer is None:
            raise oci.NotFound(f"{reference} holds no chart")
        path = folder / "chart.tgz"
        with path.open("wb") as out:
            await registry.blob(reference.repository, layer.digest, out, self.bounds.chart)
        return Fetched(path, reference.repository.name.rpartition("/")[2], version)


def _read_index(path: Path) -> helm_index.Index:
    return helm_index.Index(path.read_bytes())


def _anonymous(chart: HelmChart, url: str) -> HelmRepository:
    """Stands in for a HelmRepository that nobody wrote."""
    metadata = ObjectMeta(name="", namespace=chart.namespace)
    spec = HelmRepositorySpec(url=url)
    return HelmRepository(api_version=chart.api_version, kind="HelmRepository", metadata=metadata, spec=spec)


def _normal(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.lower(), path=parts.path.rstrip("/")))


def _unauthenticated(error: Exception) -> FetchFailed:
    return FetchFailed(reasons.AUTHENTICATION_FAILED, f"failed to authenticate with the Helm repository: {error}")


def _pull_error(text: str) -> FetchFailed:
    if any(sign in text.lower() for sign in _CERTIFICATES):
        return FetchFailed(reasons.AUTHENTICATION_FAILED, f"failed to authenticate with the Helm repository: {text}")
    return FetchFailed(reasons.CHART_PULL_ERROR, f"chart pull error: {text}")


def _no_version(error: Exception) -> FetchRefused:
    """SK18: nothing but a new index, another wish or a request can help."""
    message = f"invalid chart reference: failed to get chart version for remote reference: {error}"
    return FetchRefused(reasons.INVALID_CHART_REFERENCE, message)


def _dependency_error(text: str) -> BuildFailed:
    return BuildFailed(reasons.DEPENDENCY_BUILD_ERROR, f"dependency build error: {text}")
