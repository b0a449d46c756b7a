"""Where signatures of an artifact lie in its registry, and their bytes. Whether they are good is not judged here.

cosign: bundles as referrers, older signatures in a tag beside the image. notation: envelopes as referrers.
"""

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

from fleetloop.oci.content import Descriptor
from fleetloop.oci.errors import NotFound
from fleetloop.oci.reference import Repository
from fleetloop.oci.registry import Registry

BUNDLE = "application/vnd.dev.sigstore.bundle"  # and a version
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
NOTATION = "application/vnd.cncf.notary.signature"
_ENVELOPES = ("application/jose+json", "application/cose")
_UNTOLD = {"", "application/vnd.oci.empty.v1+json"}  # registries that look at a manifest's config alone list it so
MOST = 64  # signatures of one artifact that are looked at
LARGEST = 4 << 20  # bytes of one

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TagSignature:
    """A layer of the tag beside an image: what was signed, and the layer's annotations."""

    payload: bytes
    annotations: dict[str, str]


@dataclass(frozen=True, slots=True)
class Envelope:
    media_type: str
    content: bytes


async def bundles(registry: Registry, repository: Repository, digest: str) -> list[bytes]:
    """Raises OciError."""
    return [envelope.content async for envelope in _referring(registry, repository, digest, BUNDLE, (BUNDLE,))]


async def tag_signatures(registry: Registry, repository: Repository, digest: str) -> list[TagSignature]:
    """Raises OciError."""
    try:
        manifest = await registry.manifest(repository.tagged(f"{digest.replace(':', '-')}.sig"))
    except NotFound:
        return []
    layers = [layer for layer in manifest.layers if layer.media_type == SIMPLE_SIGNING]
    return [TagSignature(await _blob(registry, repository, layer), layer.annotations) for layer in layers[:MOST]]


async def notation_envelopes(registry: Registry, repository: Repository, digest: str) -> list[Envelope]:
    """Raises OciError."""
    return [envelope async for envelope in _referring(registry, repository, digest, NOTATION, _ENVELOPES)]


async def _referring(
    registry: Registry, repository: Repository, digest: str, kind: str, contents: tuple[str, ...]
) -> AsyncIterator[Envelope]:
    """The first layer, of such a type, of each manifest of this kind that refers to the artifact."""
    listed = await registry.referrers(repository, digest)
    found = [one for one in listed if one.artifact_type.startswith(kind) or one.artifact_type in _UNTOLD]
    for one in found[:MOST]:
        manifest = await registry.manifest(repository.at(one.digest))
        for layer in manifest.layers[:1]:
            if layer.media_type.startswith(contents):
                yield Envelope(layer.media_type, await _blob(registry, repository, layer))


async def _blob(registry: Registry, repository: Repository, layer: Descriptor) -> bytes:
    out = io.BytesIO()
    await registry.blob(repository, layer.digest, out, LARGEST)
    return out.getvalue()
