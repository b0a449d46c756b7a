"""OCIRepository: one pass from the object to its artifact. Flux: source-kustomize.md 3.5, 1.1."""

import asyncio
import datetime
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import aiohttp
import msgspec
import re2  # type: ignore[import-untyped]

from fleetloop import oci
from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.meta import Artifact, Status
from fleetloop.api.source import OCILayerSelector, OCIReference, OCIRepository, OCIRepositoryStatus
from fleetloop.controllers.source.artifact import Storage, work_folder
from fleetloop.controllers.source.failures import FetchFailed, FetchRefused, SourceFailure, VerificationFailed
from fleetloop.controllers.source.oci_access import OciAccess
from fleetloop.controllers.source.signatures import Signatures, Signed, Unverified
from fleetloop.controllers.source.source_pass import SourcePass, SourceReconciler
from fleetloop.engine import EngineError, EngineGone
from fleetloop.oci.content import HELM_CHART
from fleetloop.runtime.controller import Report
from fleetloop.runtime.outcome import Outcome
from fleetloop.storage.ignore import SourceIgnoreError, read_rules
from fleetloop.storage.store import LATEST
from fleetloop.storage.tarball import UnsafeArchive, unpack_regular, write_tarball

LARGEST_LAYER = 2 << 30  # bytes, compressed
_SOURCE, _REVISION = "org.opencontainers.image.source", "org.opencontainers.image.revision"
# The tags that are versions in a range, highest first. Raises EngineError for a bad range.
SelectVersions = Callable[[str, Sequence[str]], Awaitable[Sequence[str]]]


class OciRepositoryReconciler(SourceReconciler[OCIRepository]):
    def __init__(
        self,
        storage: Storage,
        now: Callable[[], datetime.datetime],
        session: aiohttp.ClientSession,
        access: OciAccess,
        signatures: Signatures,
        select_versions: SelectVersions,
        temp: Path | None = None,
    ) -> None:
        """`temp`: where trees are made."""
        super().__init__(storage, now)
        self.session, self.access, self.signatures = session, access, signatures
        self.select_versions, self.temp = select_versions, temp

    async def reconcile(self, obj: OCIRepository, draft: Status, report: Report) -> Outcome:
        """Raises SourceFailure."""
        return await OciPass(self, obj, cast(OCIRepositoryStatus, draft), report).run()


class Recipe(NamedTuple):
    """What besides the revision decides the content of an artifact."""

    ignore: str | None
    layer: OCILayerSelector | None


class OciPass(SourcePass):
    def __init__(self, tools: OciRepositoryReconciler, obj: OCIRepository, draft: OCIRepositoryStatus, report: Report) -> None:
        super().__init__(tools, obj, draft, report)  # type: ignore[arg-type]  # a reconciler of one kind of Object
        self._tools, self._source, self._status = tools, obj, draft

    async def run(self) -> Outcome:
        source = self._source
        await self.begin()
        repository = _repository_of(source)
        spec = source.spec
        try:
            async with asyncio.timeout(seconds_of(spec.timeout)):
                access = await self._tools.access.of(source, spec, repository, spec.service_account_name, spec.proxy_secret_ref)
                async with oci.reached(self._tools.session, access) as registry:
                    return await self._from(registry, repository)
        except TimeoutError as error:
            message = f"failed to pull artifact from '{repository}': no answer within {spec.timeout}"
            raise FetchFailed(reasons.OCI_ARTIFACT_PULL_FAILED, message) from error

    async def _from(self, registry: oci.Registry, repository: oci.Repository) -> Outcome:
        reference = await self._resolve(registry, repository)
        digest = await self._digest(registry, reference)
        revision = f"{reference.tag}@{digest}" if reference.tag else digest
        self.clear(reasons.FETCH_FAILED)
        await self._verify(registry, reference, digest, revision)
        if not (
            self.is_stored(revision)
            and self._recipe == Recipe(self._status.observed_ignore, self._status.observed_layer_selector)
        ):
            await self.announce(revision, f"new revision '{revision}' for '{repository}'")
            await self._pull(registry, repository.at(digest), revision)
            self._status.observed_ignore, self._status.observed_layer_selector = self._recipe
        self.stored(f"stored artifact for digest '{revision}'")
        return self.done(seconds_of(self._source.spec.interval), self._event(repository))

    async def _verify(self, registry: oci.Registry, reference: oci.Reference, digest: str, revision: str) -> None:
        """Before anything else is decided about a revision; one that is verified is asked about again when the spec changes."""
        verify, seen = self._source.spec.verify, self._status.condition(reasons.SOURCE_VERIFIED)
        if verify is None:
            self.clear(reasons.SOURCE_VERIFIED)
            return
        is_known = seen is not None and seen.status == "True" and seen.observed_generation == self._source.metadata.generation
        if is_known and self.artifact is not None and self.artifact.revision == revision:
            return
        try:
            signed = Signed(registry, reference, digest)
            is_verified = await self._tools.signatures.verify(
                self._source.namespace, verify, signed, verify.trusted_root_secret_ref
            )
        except Unverified as error:
            how = "cosign keyless" if verify.provider == "cosign" and verify.secret_ref is None else verify.provider
            message = f"failed to verify the signature using provider '{how}': {error}"
            raise VerificationFailed(reasons.VERIFICATION_ERROR, message) from error
        if is_verified:
            self.mark(reasons.SOURCE_VERIFIED, reasons.SUCCEEDED, f"verified signature of revision {revision}")
        else:
            self.clear(reasons.SOURCE_VERIFIED)

    @property
    def _recipe(self) -> Recipe:
        spec = self._source.spec
        return Recipe(spec.ignore, spec.layer_selector)

    async def _resolve(self, registry: oci.Registry, repository: oci.Repository) -> oci.Reference:
        """Digest, semver, tag, latest, in this order."""
        ref = self._source.spec.ref or OCIReference()
        try:
            if ref.digest:
                return repository.at(ref.digest)
            if ref.semver:
                return repository.tagged(await self._newest(registry, repository, ref))
            return repository.tagged(ref.tag or "latest")
        except (oci.OciError, EngineError, EngineGone) as error:
            message = f"failed to determine the artifact tag for '{self._source.spec.url}': {error}"
            raise FetchFailed(reasons.READ_OPERATION_FAILED, message) from error

    async def _newest(self, registry: oci.Registry, repository: oci.Repository, ref: OCIReference) -> str:
        tags = await registry.tags(repository)
        if ref.semver_filter:
            tags = _filtered(tags, ref.semver_filter)
        selector = self._source.spec.layer_selector
        is_chart = selector is not None and selector.media_type == HELM_CHART
        versions = {tag.replace("_", "+") if is_chart else tag: tag for tag in tags}  # charts' tags cannot hold a plus
        matches = await self._tools.select_versions(ref.semver, list(versions))
        if not matches:
            raise oci.NotFound(f"no match found for semver: {ref.semver}")
        return versions[matches[0]]

    async def _digest(self, registry: oci.Registry, reference: oci.Reference) -> str:
        try:
            return await registry.resolve(reference)
        except oci.OciError as error:
            message = f"failed to determine artifact digest: {error}"
            raise FetchFailed(reasons.OCI_ARTIFACT_PULL_FAILED, message) from error

    async def _pull(self, registry: oci.Registry, reference: oci.Reference, revision: str) -> None:
        async with work_folder(self._tools.temp) as folder:
            try:
                manifest = await registry.image(reference)
                layer = self._layer(manifest)
                archive = folder / "layer"
                with archive.open("wb") as out:
                    await registry.blob(reference.repository, layer.digest, out, LARGEST_LAYER)
            except oci.OciError as error:
                message = f"failed to pull artifact from '{self._source.spec.url}': {error}"
                raise FetchFailed(reasons.OCI_ARTIFACT_PULL_FAILED, message) from error
            artifact = await self._store(archive, folder / "tree", f"{reference.digest}.tar.gz", revision)
        self.artifact = msgspec.structs.replace(artifact, metadata=manifest.annotations)
        self._status.url = await self.storage.link(artifact, LATEST)

    def _layer(self, manifest: oci.Manifest) -> oci.Descriptor:
        """The first one of the wanted type, else the first of all."""
        selector = self._source.spec.layer_selector
        wanted = selector.media_type if selector else ""
        layers = [layer for layer in manifest.layers if layer.media_type == wanted] if wanted else list(manifest.layers)
        if not layers:
            missing = f"failed to find layer with media type '{wanted}' in artifact" if wanted else "no layers found in artifact"
            raise FetchFailed(reasons.OCI_ARTIFACT_LAYER_OPERATION_FAILED, missing)
        return layers[0]

    async def _store(self, archive: Path, tree: Path, name: str, revision: str) -> Artifact:
        selector = self._source.spec.layer_selector
        if selector and selector.operation == "copy":  # the layer as it is, whatever it is
            with archive.open("rb") as content:
                return await self.storage.write(self._source, name, revision, lambda out: shutil.copyfileobj(content, out))
        try:
            await asyncio.to_thread(tree.mkdir)
            await asyncio.to_thread(unpack_regular, archive, tree)
            rules = await asyncio.to_thread(read_rules, tree, self._source.spec.ignore)
        except UnsafeArchive as error:
            message = f"failed to extract layer contents from artifact: {error}"
            raise FetchFailed(reasons.OCI_ARTIFACT_LAYER_OPERATION_FAILED, message) from error
        except SourceIgnoreError as error:
            raise SourceFailure(reasons.SOURCE_IGNORE_ERROR, f"failed to load source ignore patterns: {error}") from error
        return await self.storage.write(self._source, name, revision, lambda out: write_tarball(tree, out, rules))

    def _event(self, repository: oci.Repository) -> str:
        artifact = self.artifact
        assert artifact is not None
        text = f"stored artifact with revision '{artifact.revision}' from '{self._source.spec.url}'"
        source, revision = artifact.metadata.get(_SOURCE), artifact.metadata.get(_REVISION)
        return f"{text}, origin source '{source}', origin revision '{revision}'" if source and revision else text


def _repository_of(source: OCIRepository) -> oci.Repository:
    try:
        return oci.Repository.parse(source.spec.url)
    except oci.InvalidReference as error:
        raise FetchRefused(reasons.URL_INVALID, f"URL validation failed for '{source.spec.url}': {error}") from error


def _filtered(tags: Sequence[str], pattern: str) -> list[str]:
    """Raises ContentMismatch for a pattern that is none."""
    options = re2.Options()
    options.log_errors = False
    try:
        matcher = re2.compile(pattern, options)
    except re2.error:
        raise oci.ContentMismatch(f"spec.ref.semverFilter '{pattern}' is no regular expression") from None
    return [tag for tag in tags if matcher.search(tag)]
