"""source.extensions.fluxcd.io: ArtifactGenerator, artifacts composed of other artifacts."""

from typing import Annotated, ClassVar, Literal

import msgspec

from . import names
from .meta import CommonMetadata, Object, Status, Value
from .schema import ObjectName, Rule, Schema


class CopyOperation(Value):
    """Files of a source (`@alias/glob`) to a place in the artifact (`@artifact/path`)."""

    from_: Annotated[str, Schema(pattern=r"^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)/(.*)$", min_length=1, max_length=1024)] = (
        msgspec.field(name="from")
    )
    to: Annotated[str, Schema(pattern=r"^@(artifact)/(.*)$", min_length=1, max_length=1024)]
    exclude: Annotated[tuple[str, ...], Schema(max_items=100)] = ()
    strategy: Literal["Overwrite", "Merge", "Extract"] | None = None


class OutputArtifact(Value):
    """One ExternalArtifact to make."""

    copy: Annotated[tuple[CopyOperation, ...], Schema(min_items=1)]
    name: ObjectName
    origin_revision: Annotated[str, Schema(pattern=r"^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)$", max_length=64)] = ""
    revision: Annotated[str, Schema(pattern=r"^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)$", max_length=64)] = ""


class SourceReference(Value):
    """A source under the alias that the copy operations use."""

    alias: Annotated[str, Schema(pattern=r"^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$", max_length=63)]
    kind: Literal["Bucket", "GitRepository", "OCIRepository", "HelmChart", "ExternalArtifact"]
    name: Annotated[str, Schema(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=253)]
    namespace: Annotated[str, Schema(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", min_length=1, max_length=63)] = ""


class ExternalArtifactReference(Value):
    """An ExternalArtifact that was made."""

    digest: str
    filename: str
    name: str
    namespace: str


class ArtifactGeneratorSpec(Value):
    """With `path_pattern` the artifacts are templates, made once for each folder that matches."""

    rules: ClassVar = (
        Rule(
            "has(self.pathPattern) && size(self.pathPattern) > 0 || self.artifacts.all(a, "
            "a.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'))",
            "artifact names must be valid Kubernetes object names when pathPattern is not set",
        ),
    )
    artifacts: Annotated[tuple[OutputArtifact, ...], Schema(min_items=1, max_items=1000)]
    sources: Annotated[tuple[SourceReference, ...], Schema(min_items=1, max_items=1000)]
    common_metadata: CommonMetadata | None = None
    path_pattern: Annotated[str, Schema(pattern=r"^@([a-z0-9]([a-z0-9_-]*[a-z0-9])?)/(.*)$", max_length=1024)] = ""


class ArtifactGeneratorStatus(Status):
    unpublished = frozenset({"observed_generation"})
    inventory: tuple[ExternalArtifactReference, ...] = ()
    observed_sources_digest: str = ""


class ArtifactGenerator(Object):
    spec: ArtifactGeneratorSpec
    status: ArtifactGeneratorStatus = msgspec.field(default_factory=ArtifactGeneratorStatus)

    @property
    def is_suspended(self) -> bool:
        return self.metadata.annotations.get(names.ARTIFACT_GENERATOR_RECONCILE, "").lower() == "disabled"
