"""Which source a release's chart comes from, the HelmChart that is made for it, and the version Helm is to see.

Flux: helm-notification-image.md 2.1 (HN2).
"""

import re
from dataclasses import dataclass
from typing import Any, Protocol

from fleetloop.api.helm import HelmRelease
from fleetloop.api.meta import Artifact, Key, Object
from fleetloop.controllers.helm.failures import AccessDenied, ChartMutateError, SourceMissing, SourceNotReady

_OCI_REVISION = re.compile(r"(?:(?P<tag>[^@]*)@)?(?P<digest>[a-z0-9]+:[0-9a-f]+)")
_SEMVER = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_SHOWN = 12  # characters of a digest


@dataclass(frozen=True, slots=True)
class ChartSource:
    """A source that serves a chart."""

    key: Key
    artifact: Artifact

    @property
    def is_oci(self) -> bool:
        return self.key.kind == "OCIRepository" or (self.key.kind == "ExternalArtifact" and ":" in self.artifact.revision)

    @property
    def digest(self) -> str:
        """Of the OCI artifact, `sha256:...`; "" for charts of other sources."""
        found = _OCI_REVISION.fullmatch(self.artifact.revision) if self.is_oci else None
        return found["digest"] if found else ""


class Sources(Protocol):
    def find(self, key: Key) -> Object | None:
        """The source as last seen."""


def source_key(release: HelmRelease) -> Key:
    if ref := release.spec.chart_ref:
        return Key(ref.kind, ref.namespace or release.namespace, ref.name)
    template = release.spec.chart
    assert template is not None  # the definition wants one of the two
    return Key("HelmChart", template.spec.source_ref.namespace or release.namespace, f"{release.namespace}-{release.name}")


def find_source(release: HelmRelease, sources: Sources, *, no_cross_namespace: bool, external_artifacts: bool) -> ChartSource:
    """Usable is one that has an artifact, has seen its generation and is not stalled; it need not be ready. Raises AccessDenied,
    SourceMissing, SourceNotReady."""
    key = source_key(release)
    if key.namespace != release.namespace and no_cross_namespace:
        raise AccessDenied(f"cross-namespace references are not allowed: cannot access {key.kind} {key.namespace}/{key.name}")
    if key.kind == "ExternalArtifact" and not external_artifacts:
        raise AccessDenied(f"can't access '{key}', ExternalArtifact feature gate is disabled")
    found = sources.find(key)
    if found is None:
        raise SourceMissing(f"could not get Source object: {key} not found")
    status: Any = found.status  # type: ignore[attr-defined]  # every source kind has one
    seen = key.kind == "ExternalArtifact" or status.observed_generation == found.metadata.generation
    if not seen or status.is_true("Stalled") or status.artifact is None:
        raise SourceNotReady(f"{key.kind} '{key.namespace}/{key.name}' is not ready: {_why(status, seen=seen)}")
    return ChartSource(key, status.artifact)


def _why(status: Any, *, seen: bool) -> str:
    if not seen:
        return "latest generation of object has not been reconciled"
    stalled = status.condition("Stalled") or status.condition("Ready")
    return stalled.message if stalled else "does not have an artifact"


def released_version(source: ChartSource, chart_version: str, *, tracks_digests: bool) -> str:
    """HN2: the version Helm is to see. For OCI artifacts the build metadata becomes the digest's first characters, so that equal
    versions with other content are upgrades. Raises ChartMutateError when the tag is another version than the chart's."""
    found = _OCI_REVISION.fullmatch(source.artifact.revision) if source.is_oci else None
    if found is None:
        return chart_version
    tag = (found["tag"] or "").replace("_", "+")
    if _SEMVER.fullmatch(tag) and tag.removeprefix("v") != chart_version.removeprefix("v"):
        raise ChartMutateError(
            f"artifact revision '{source.artifact.revision}' does not match the chart's version {chart_version}"
        )
    if not tracks_digests:
        return chart_version
    return f"{chart_version.partition('+')[0]}+{found['digest'].partition(':')[2][:_SHOWN]}"
