"""status.inventory: what a release consists of, hooks apart. Flux: helm-notification-image.md 2.9."""

from collections.abc import Sequence
from dataclasses import replace

from fleetloop.api.applier import ResourceInventory, ResourceRef
from fleetloop.api.helm import HelmReleaseStatus
from fleetloop.controllers.helm.engine import HelmFailed
from fleetloop.controllers.helm.run import Run
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.kube.inventory import id_of, ref_from
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of


async def take_inventory(run: Run, known: Sequence[Manifest] | None) -> None:
    """Of the newest release, and of the definitions that came with its chart. `known`: its objects, where the action told."""
    if run.newest is None:
        return
    try:
        objects = await run.helm.manifest(run.newest.version) if known is None else known
    except HelmFailed as error:
        run.report.event("Warning", "InventoryBuildFailed", str(error))
        return
    refs = [await _placed(run, ref_of(manifest)) for manifest in [*objects, *run.definitions]]
    entries = tuple(ResourceRef(id=id_of(ref), v=ref.api_version.rpartition("/")[2]) for ref in refs)
    run.draft.inventory = ResourceInventory(entries=entries)


def inventory_of(status: HelmReleaseStatus) -> list[ObjectRef]:
    """Entries that somebody else wrote and that nobody can read name nothing."""
    found = []
    for entry in status.inventory.entries if status.inventory else ():
        try:
            found.append(ref_from(entry.id, entry.v))
        except ValueError:
            continue
    return found


async def _placed(run: Run, ref: ObjectRef) -> ObjectRef:
    """In the release's namespace where it names none and has one."""
    if ref.namespace:
        return ref
    try:
        resource = await run.kube.resource_for(ref.api_version, ref.kind)
    except (ApiError, Unreachable):
        return ref
    return replace(ref, namespace=run.helm.namespace) if resource.namespaced else ref
