"""status.inventory, and the objects that it names."""

from collections.abc import Iterable

from fleetloop.api.applier import ResourceInventory, ResourceRef
from fleetloop.api.kustomize import KustomizationStatus
from fleetloop.kube.inventory import id_of, ref_from
from fleetloop.kube.objects import ObjectRef


def inventory(refs: Iterable[ObjectRef]) -> ResourceInventory:
    return ResourceInventory(entries=tuple(ResourceRef(id=id_of(r), v=r.api_version.rpartition("/")[2]) for r in refs))


def inventory_of(status: KustomizationStatus) -> list[ObjectRef]:
    entries = status.inventory.entries if status.inventory else ()
    return [ref_from(entry.id, entry.v) for entry in entries]
