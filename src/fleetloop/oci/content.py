"""What a registry stores: manifests, the descriptors in them, and their digests. Pure."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import orjson

from fleetloop.oci.errors import ContentMismatch

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
ACCEPTED = ", ".join((OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST))
FLUX_CONFIG = "application/vnd.cncf.flux.config.v1+json"
FLUX_CONTENT = "application/vnd.cncf.flux.content.v1.tar+gzip"
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PLATFORM = ("linux", "amd64")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """`size` in bytes."""

    media_type: str
    digest: str
    size: int
    platform: tuple[str, str] = ("", "")
    artifact_type: str = ""
    annotations: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Descriptor":
        platform = document.get("platform") or {}
        return cls(
            str(document["mediaType"]),
            str(document["digest"]),
            int(document["size"]),
            (str(platform.get("os") or ""), str(platform.get("architecture") or "")),
            str(document.get("artifactType") or ""),
            {str(key): str(value) for key, value in (document.get("annotations") or {}).items()},
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """`raw` is what `digest` covers. An index has `manifests`, everything else `layers` and a `config`."""

    media_type: str
    digest: str
    raw: bytes
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    manifests: tuple[Descriptor, ...]
    annotations: dict[str, str]

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES

    def for_platform(self, platform: tuple[str, str] = PLATFORM) -> Descriptor:
        """The entry of an index that runs there. Raises ContentMismatch."""
        found = next((one for one in self.manifests if one.platform == platform), None)
        if found is None:
            raise ContentMismatch(f"no child with platform {'/'.join(platform)} in index {self.digest}")
        return found

    @classmethod
    def parse(cls, raw: bytes, media_type: str) -> "Manifest":
        """Raises ContentMismatch."""
        try:
            document = orjson.loads(raw)
            config = document.get("config")
            return cls(
                str(document.get("mediaType") or media_type),
                digest_of(raw),
                raw,
                Descriptor.of(config) if config else None,
                tuple(map(Descriptor.of, document.get("layers") or ())),
                tuple(map(Descriptor.of, document.get("manifests") or ())),
                {str(key): str(value) for key, value in (document.get("annotations") or {}).items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ContentMismatch("the manifest cannot be read") from None


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
