"""Which source a Kustomization takes its artifact from, and whether it may. Flux: source-kustomize.md 8.2 step 3."""

from dataclasses import dataclass
from typing import Protocol

from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Artifact, Key, Object
from fleetloop.controllers.kustomize.failures import AccessDenied, ArtifactMissing, SourceMissing
from fleetloop.controllers.kustomize.settings import KustomizeSettings

ORIGIN_REVISION = "org.opencontainers.image.revision"


@dataclass(frozen=True, slots=True)
class Source:
    """A source that serves something."""

    key: Key
    artifact: Artifact

    @property
    def revision(self) -> str:
        return self.artifact.revision

    @property
    def origin_revision(self) -> str:
        return self.artifact.metadata.get(ORIGIN_REVISION, "")


class Sources(Protocol):
    def find(self, key: Key) -> Object | None:
        """The source as last seen."""


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """The one that a pass has asked for."""

    source: Object | None

    def find(self, key: Key) -> Object | None:
        return self.source


def source_key(kustomization: Kustomization) -> Key:
    ref = kustomization.spec.source_ref
    return Key(ref.kind, ref.namespace or kustomization.namespace, ref.name)


def find_source(kustomization: Kustomization, sources: Sources, settings: KustomizeSettings) -> Source:
    """Raises AccessDenied, SourceMissing, ArtifactMissing. SK20: only the presence of an artifact counts, not Ready."""
    key = source_key(kustomization)
    if key.namespace != kustomization.namespace and settings.common.no_cross_namespace_refs:
        raise AccessDenied(f"can't access '{key}', cross-namespace references have been blocked")
    if key.kind == "ExternalArtifact" and not settings.gate("ExternalArtifact"):
        raise AccessDenied(f"can't access '{key}', ExternalArtifact feature gate is disabled")
    found = sources.find(key)
    if found is None:
        plural = {"GitRepository": "gitrepositories", "OCIRepository": "ocirepositories"}.get(key.kind, f"{key.kind.lower()}s")
        raise SourceMissing(f'{plural}.source.toolkit.fluxcd.io "{key.name}" not found')
    artifact: Artifact | None = found.status.artifact  # type: ignore[attr-defined]  # every source kind has one
    if artifact is None:
        wait = settings.requeue_dependency
        raise ArtifactMissing(f"Source artifact not found, retrying in {wait:g}s", after=wait)
    return Source(key, artifact)
