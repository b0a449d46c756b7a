"""Custom resource definitions that come with a chart: applied before the release, never deleted. Flux: 2.11 (HN11)."""

from collections.abc import Sequence
from typing import Literal

from fleetloop.kube.apply import until_current
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import AlreadyExists, ApiError, Unreachable
from fleetloop.kube.objects import Manifest, ref_of
from fleetloop.runtime.log import logger

Policy = Literal["Skip", "Create", "CreateReplace"]
TIMEOUT = 60.0  # seconds
KIND = "CustomResourceDefinition"


class DefinitionsFailed(Exception):
    """One could not be applied, or is not established in time; the message names it."""


async def apply_definitions(
    kube: Kube, found: Sequence[Manifest], policy: Policy | None, labels: dict[str, str]
) -> list[Manifest]:
    """HN11: no policy means Create, for upgrades too. Gives those that were written. Raises DefinitionsFailed."""
    if policy == "Skip":
        return []
    applied = []
    for manifest in found:
        if manifest.get("kind") != KIND:
            logger().info("not a CustomResourceDefinition, left out", object=str(ref_of(manifest)))
            continue
        written = await _apply(kube, _labelled(manifest, labels), policy or "Create")
        applied += [written] if written else []
    try:
        await until_current(kube, applied, TIMEOUT)
    except TimeoutError:
        names = ", ".join(str(ref_of(manifest)) for manifest in applied)
        raise DefinitionsFailed(f"failed to wait for {names} to be established within {TIMEOUT:g}s") from None
    except (ApiError, Unreachable) as error:
        raise DefinitionsFailed(str(error)) from error
    return applied


async def _apply(kube: Kube, manifest: Manifest, policy: Policy) -> Manifest | None:
    """None for one that was there and stays as it is."""
    try:
        if policy == "CreateReplace":
            return await kube.apply(manifest)
        return await kube.create(manifest)
    except AlreadyExists:
        return None
    except (ApiError, Unreachable) as error:
        raise DefinitionsFailed(f"failed to apply {ref_of(manifest)}: {error}") from error


def _labelled(manifest: Manifest, labels: dict[str, str]) -> Manifest:
    metadata = manifest["metadata"]
    return manifest | {"metadata": metadata | {"labels": (metadata.get("labels") or {}) | labels}}
