"""Deletes what Git no longer has: in reverse order, only what still belongs to the owner, and tells what it could not delete.

Flux: source-kustomize.md 8.9 (SK28).
"""

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, NotFound
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of
from fleetloop.kube.stages import in_order
from fleetloop.kube.switches import is_ignored, says


@dataclass(slots=True)
class Pruned:
    """`lines`: `<object> deleted|skipped`; `refused`: objects that are still there, each with the server's reason; `kept`:
    objects that somebody else claims, with who."""

    lines: list[str] = field(default_factory=list)
    deleted: list[ObjectRef] = field(default_factory=list)
    refused: dict[ObjectRef, str] = field(default_factory=dict)
    kept: dict[ObjectRef, str] = field(default_factory=dict)

    @property
    def error(self) -> str:
        reasons = [f"{ref} delete failed, errors: {reason};" for ref, reason in self.refused.items()]
        return " ".join(reasons)


async def find_surely(kube: Kube, ref: ObjectRef) -> Manifest | None:
    """The object, perhaps by another version of its kind than `ref` has; None only when it is gone. Raises ApiError, Unreachable
    while nobody can tell: what a server that has just started does not know yet may be there."""
    try:
        return await kube.get(ref)
    except NotFound as error:
        if error.details:  # it is the object that is absent: of an unknown path the server says nothing more
            return None
        versions = await kube.versions_of(ref.group, ref.kind)
        if ref.api_version in versions:
            raise
        return await find_surely(kube, replace(ref, api_version=versions[0])) if versions else None


async def prune(
    kube: Kube,
    refs: Sequence[ObjectRef],
    owns: Callable[[Manifest], bool],
    claims: Mapping[ObjectRef, str],
    custom_kinds: Collection[tuple[str, str]] = (),
) -> Pruned:
    """Already gone counts as deleted. An object of another owner, or one that says `prune: disabled`, is skipped; one that has
    `claims` on it, by object the reason, is kept until its next owner has it. `custom_kinds`: see stages."""
    result = Pruned()
    for ref in reversed(in_order(refs, custom_kinds)):
        try:
            live = await find_surely(kube, ref)
            if live and (not owns(live) or is_ignored(live) or says(live, "prune", "disabled")):
                result.lines.append(f"{ref} skipped")
                continue
            if live and ref in claims:
                result.kept[ref] = claims[ref]
                continue
            if live:
                await _delete(kube, live)
        except ApiError as error:
            result.refused[ref] = error.message
            continue
        result.lines.append(f"{ref} deleted")
        result.deleted.append(ref)
    return result


async def _delete(kube: Kube, live: Manifest) -> None:
    with contextlib.suppress(NotFound):
        await kube.delete(ref_of(live), uid=live["metadata"]["uid"])
