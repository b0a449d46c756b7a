"""ArtifactGenerator: one pass from its sources to ExternalArtifacts. Flux: source-kustomize.md 7."""

import asyncio
import datetime
import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fleetloop.api import reasons
from fleetloop.api.meta import Artifact, Key, Object, Status, content_of
from fleetloop.api.source_extensions import (
    ArtifactGenerator,
    ArtifactGeneratorStatus,
    ExternalArtifactReference,
    OutputArtifact,
)
from fleetloop.controllers.source_watcher.compose import ComposeError, compose, name_of
from fleetloop.controllers.source_watcher.failures import (
    AccessDenied,
    BuildFailed,
    PatternRefused,
    ReconciliationFailed,
    SourceFetchFailed,
    ValidationFailed,
)
from fleetloop.controllers.source_watcher.templates import Output, PatternError, is_name, outputs_of
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, NotFound
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.runtime import settle as settling
from fleetloop.runtime.controller import Report
from fleetloop.runtime.log import logger
from fleetloop.runtime.outcome import Done, Failure, Outcome
from fleetloop.storage.digest import UnsupportedDigest
from fleetloop.storage.ignore import default_rules
from fleetloop.storage.reader import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactReader,
    ArtifactTooLarge,
    ArtifactUnreachable,
)
from fleetloop.storage.store import ArtifactLocked, ArtifactStore, DigestMismatch, NotStored, Retention, Stored, UnsafePath
from fleetloop.storage.tarball import UnsafeArchive, write_tarball

MANAGER = "source-watcher"
EXTERNAL = ("source.toolkit.fluxcd.io/v1", "ExternalArtifact")
GENERATOR_LABEL = "source.extensions.fluxcd.io/generator"
ORIGIN_REVISION = "org.opencontainers.image.revision"
_COLLECTION_TIMEOUT = 5.0  # seconds
AGAIN = 3600.0  # seconds: what was deleted by others is made again


@dataclass(slots=True)
class GeneratorReconciler:
    """`find`: a source as last seen. `advertised`: what URLs begin with. `requeue`, `timeout` of a pass: in seconds."""

    kube: Kube
    store: ArtifactStore
    reader: ArtifactReader
    find: Callable[[Key], Object | None]
    advertised: str
    no_cross_namespace: bool
    requeue: float
    timeout: float
    retention: Retention
    now: Callable[[], datetime.datetime]
    owned_conditions: frozenset[str] = frozenset({"Ready", "Reconciling", "Stalled"})

    async def reconcile(self, obj: ArtifactGenerator, draft: Status, report: Report) -> Outcome:
        """Raises Failure."""
        try:
            async with asyncio.timeout(self.timeout):
                return await _Pass(self, obj, cast(ArtifactGeneratorStatus, draft), report).run()
        except TimeoutError as error:
            raise ReconciliationFailed(f"reconciliation took longer than {self.timeout:g}s") from error

    async def finalize(self, obj: ArtifactGenerator, report: Report) -> None:
        """The files, then the objects; who consumes them is left without."""
        for reference in _own(obj, obj.status.inventory):
            await self.remove(reference.namespace, reference.name)

    def settle(self, obj: ArtifactGenerator, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        settling.settle(draft, result, generation=obj.metadata.generation, now=now)

    def suspended(self, obj: ArtifactGenerator, draft: Status) -> None:
        """Nothing but lastHandledReconcileAt."""

    async def remove(self, namespace: str, name: str) -> None:
        """Raises ReconciliationFailed."""
        try:
            await asyncio.to_thread(self.store.remove_folder, _folder(namespace, name))
            await self.kube.delete(ObjectRef(*EXTERNAL, namespace, name))
        except NotFound:
            return
        except (ApiError, OSError) as error:
            raise ReconciliationFailed(f"failed to delete {namespace}/{name}: {error}") from error


class _Pass:
    def __init__(
        self, tools: GeneratorReconciler, generator: ArtifactGenerator, draft: ArtifactGeneratorStatus, report: Report
    ) -> None:
        self._tools, self._generator, self._draft, self._report = tools, generator, draft, report

    async def run(self) -> Outcome:
        generator, draft = self._generator, self._draft
        await self._collect()
        sources = self._sources()
        observed = sources_digest(sources)
        if await self._is_current(observed):
            return Done(after=AGAIN, reason=reasons.SUCCEEDED, message=_message(len(draft.inventory)))
        message = "Reconciliation in progress"
        settling.begin(draft, message, generation=generator.metadata.generation, now=self._tools.now())
        async with AsyncExitStack() as opened:
            trees = {alias: await self._open(opened, artifact) for alias, artifact in sources.items()}
            try:
                outputs = await asyncio.to_thread(outputs_of, generator, trees)
            except PatternError as error:
                raise PatternRefused(str(error)) from error
            made = [await self._make(output, trees, sources) for output in outputs]
        await self._remove_orphans(made)
        changed = [one for one in made if one not in draft.inventory]
        draft.inventory, draft.observed_sources_digest = tuple(made), observed
        if changed:
            lines = "\n".join(f"{one.namespace}/{one.name} ({one.digest})" for one in changed)
            self._report.event("Normal", reasons.READY, f"external artifacts reconciled: {lines}")
        return Done(after=AGAIN, reason=reasons.SUCCEEDED, message=_message(len(made)), is_news=bool(changed))

    def _sources(self) -> dict[str, Artifact]:
        """Their artifacts by alias."""
        generator = self._generator
        found: dict[str, Artifact] = {}
        for reference in generator.spec.sources:
            if reference.alias in found:
                raise ValidationFailed(f"spec.sources: the alias '{reference.alias}' is there twice")
            namespace = reference.namespace or generator.namespace
            key = Key(reference.kind, namespace, reference.name)
            if namespace != generator.namespace and self._tools.no_cross_namespace:
                raise AccessDenied(f"can't access '{key}', cross-namespace references have been blocked")
            source = self._tools.find(key)
            artifact: Artifact | None = source.status.artifact if source else None  # type: ignore[attr-defined]
            if artifact is None:
                why = "not found" if source is None else "has no artifact"
                raise SourceFetchFailed(f"get sources failed: '{key}' {why}", after=self._tools.requeue)
            found[reference.alias] = artifact
        for field, alias in _aliases(generator):
            if alias not in found:
                raise ValidationFailed(f"{field}: there is no source with the alias '{alias}'")
        return found

    async def _collect(self) -> None:
        """SK6: what was replaced by the pass before goes now. Never a reason to fail: what stays is collected next time."""
        try:
            async with asyncio.timeout(_COLLECTION_TIMEOUT):
                gone = await asyncio.to_thread(self._collected)
        except (OSError, TimeoutError, UnsafePath) as error:
            logger().error("garbage not collected", error=str(error))
            return
        if gone:
            self._report.event("Trace", reasons.GARBAGE_COLLECTION_SUCCEEDED, f"garbage collected {gone} artifacts")

    def _collected(self) -> int:
        tools, now = self._tools, self._tools.now().timestamp()
        inventory = _own(self._generator, self._draft.inventory)
        folders = [(_folder(one.namespace, one.name), one.filename) for one in inventory]
        return sum(len(tools.store.collect(folder, f"{folder}/{name}", now, tools.retention)) for folder, name in folders)

    async def _is_current(self, observed: str) -> bool:
        """Nothing changed, and all that was made is there."""
        generator, draft = self._generator, self._draft
        ready = draft.condition("Ready")
        seen = ready is not None and ready.status == "True" and ready.observed_generation == generator.metadata.generation
        inventory = _own(generator, draft.inventory)
        if not seen or draft.observed_sources_digest != observed or not inventory or len(inventory) < len(draft.inventory):
            return False
        for one in inventory:
            path = f"{_folder(one.namespace, one.name)}/{one.filename}"
            try:
                await asyncio.to_thread(self._tools.store.verify, path, one.digest)
            except (NotStored, DigestMismatch, UnsupportedDigest):
                return False
            live = await self._tools.kube.find(ObjectRef(*EXTERNAL, one.namespace, one.name))
            artifact = ((live or {}).get("status") or {}).get("artifact") or {}
            if (artifact.get("digest"), artifact.get("url")) != (one.digest, self._url(path)):
                return False
        return True

    async def _open(self, opened: AsyncExitStack, artifact: Artifact) -> Path:
        try:
            return await opened.enter_async_context(self._tools.reader.open(artifact.url, artifact.digest))
        except (
            ArtifactMissing,
            ArtifactUnreachable,
            ArtifactCorrupt,
            ArtifactTooLarge,
            UnsafeArchive,
            UnsupportedDigest,
        ) as error:
            raise SourceFetchFailed(f"fetch sources failed: {error}", after=self._tools.requeue) from error

    async def _make(
        self, output: Output, trees: Mapping[str, Path], sources: Mapping[str, Artifact]
    ) -> ExternalArtifactReference:
        artifact, namespace = output.artifact, self._generator.namespace
        try:
            filename, stored = await asyncio.to_thread(_build, self._tools.store, artifact, namespace, trees)
        except (ComposeError, ArtifactLocked, OSError) as error:
            raise BuildFailed(f"{artifact.name} build failed: {error}") from error
        made = self._artifact(artifact, stored, sources)
        try:
            await self._publish(output, made)
        except ApiError as error:
            raise ReconciliationFailed(f"{namespace}/{artifact.name} apply failed: {error.message}") from error
        return ExternalArtifactReference(digest=stored.digest, filename=filename, name=artifact.name, namespace=namespace)

    def _artifact(self, wanted: OutputArtifact, stored: Stored, sources: Mapping[str, Artifact]) -> Artifact:
        revision = f"latest@{stored.digest}"
        if wanted.revision:
            revision = sources[wanted.revision.removeprefix("@")].revision
        metadata = {}
        if wanted.origin_revision:
            origin = sources[wanted.origin_revision.removeprefix("@")]
            metadata[ORIGIN_REVISION] = origin.metadata.get(ORIGIN_REVISION) or origin.revision
        written = datetime.datetime.fromtimestamp(int(stored.written_at), datetime.UTC)
        return Artifact(
            digest=stored.digest,
            last_update_time=written,
            path=stored.path,
            revision=revision,
            url=self._url(stored.path),
            size=stored.size,
            metadata=metadata,
        )

    async def _publish(self, output: Output, artifact: Artifact) -> None:
        generator, kube = self._generator, self._tools.kube.managing_as(MANAGER)
        common = generator.spec.common_metadata
        labels = (common.labels if common else {}) | dict(output.labels)
        labels |= {"app.kubernetes.io/managed-by": MANAGER, GENERATOR_LABEL: generator.metadata.uid}
        manifest: Manifest = {
            "apiVersion": EXTERNAL[0],
            "kind": EXTERNAL[1],
            "metadata": {
                "name": output.artifact.name,
                "namespace": generator.namespace,
                "labels": labels,
                "annotations": common.annotations if common else {},
            },
            "spec": {
                "sourceRef": {
                    "apiVersion": generator.api_version,
                    "kind": generator.kind,
                    "name": generator.name,
                    "namespace": generator.namespace,
                }
            },
        }
        live = await kube.apply(manifest)
        now = self._tools.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = (live.get("status") or {}).get("conditions") or []
        ready = next((one for one in conditions if one["type"] == "Ready" and one["status"] == "True"), None)
        condition = {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": "Artifact is ready",
            "observedGeneration": live["metadata"]["generation"],
            "lastTransitionTime": ready["lastTransitionTime"] if ready else now,
        }
        ref = ObjectRef(*EXTERNAL, generator.namespace, output.artifact.name)
        body: dict[str, Any] = {
            "apiVersion": EXTERNAL[0],
            "kind": EXTERNAL[1],
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "status": {"artifact": content_of(artifact), "conditions": [condition]},
        }
        await kube.patch(ref, body, subresource="status", patch_type="apply")

    async def _remove_orphans(self, made: list[ExternalArtifactReference]) -> None:
        kept = {(one.namespace, one.name) for one in made}
        for old in _own(self._generator, self._draft.inventory):
            if (old.namespace, old.name) not in kept:
                await self._tools.remove(old.namespace, old.name)

    def _url(self, path: str) -> str:
        return f"{self._tools.advertised}/{path}"


def _own(generator: ArtifactGenerator, inventory: Iterable[ExternalArtifactReference]) -> list[ExternalArtifactReference]:
    """Tenants may write statuses: nothing of another namespace is collected or removed because one names it."""
    return [one for one in inventory if one.namespace == generator.namespace and is_name(one.name)]


def sources_digest(sources: Mapping[str, Artifact]) -> str:
    """Of what the sources serve, and where."""
    texts = [f"{alias}=[digest={a.digest},revision={a.revision},url={a.url}]" for alias, a in sorted(sources.items())]
    return f"sha256:{hashlib.sha256('|'.join(texts).encode()).hexdigest()}"


def _build(store: ArtifactStore, artifact: OutputArtifact, namespace: str, trees: Mapping[str, Path]) -> tuple[str, Stored]:
    """Blocking. Raises ComposeError, OSError. SK19: the default ignore rules hold, whatever the sources say."""
    with tempfile.TemporaryDirectory(prefix="compose-") as made:
        tree = Path(made)
        compose(artifact.copy, trees, tree)
        filename = name_of(tree, artifact.name)
        path = f"{_folder(namespace, artifact.name)}/{filename}"
        return filename, store.write(path, lambda out: write_tarball(tree, out, default_rules()))


def _aliases(generator: ArtifactGenerator) -> list[tuple[str, str]]:
    """Every use of an alias, with its field."""
    found = []
    for number, artifact in enumerate(generator.spec.artifacts):
        place = f"spec.artifacts[{number}]"
        found += [(f"{place}.copy[{n}].from", one.from_[1:].partition("/")[0]) for n, one in enumerate(artifact.copy)]
        for name, value in (("revision", artifact.revision), ("originRevision", artifact.origin_revision)):
            found += [(f"{place}.{name}", value[1:])] if value else []
    return found


def _folder(namespace: str, name: str) -> str:
    return f"externalartifact/{namespace}/{name}"


def _message(count: int) -> str:
    return f"reconciliation succeeded, generated {count} artifact(s)"
