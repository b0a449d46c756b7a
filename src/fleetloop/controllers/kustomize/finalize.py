"""What a deleted Kustomization takes along. Flux: source-kustomize.md 8.9."""

import asyncio
from dataclasses import dataclass

from fleetloop.access.clusters import LOCAL, Cluster, Clusters
from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Key
from fleetloop.controllers.kustomize.failures import PruneFailed, Terminating
from fleetloop.controllers.kustomize.handover import Handover
from fleetloop.controllers.kustomize.inventories import inventory_of
from fleetloop.controllers.kustomize.pass_facts import timeout_of
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.controllers.kustomize.steps import acting_as, belongs_to, cluster_of
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import Forbidden
from fleetloop.kube.objects import ObjectRef
from fleetloop.kube.prune import find_surely, prune
from fleetloop.runtime.controller import Report


@dataclass(frozen=True, slots=True)
class _Ending:
    """Objects that were told to go; `until` by the loop's clock."""

    refs: list[ObjectRef]
    until: float


class Finalizer:
    """Holds no worker while objects terminate: it looks again every two seconds."""

    def __init__(self, clusters: Clusters, settings: KustomizeSettings, handover: Handover) -> None:
        self._handover = handover
        self._clusters = clusters
        self._settings = settings
        self._ending: dict[Key, _Ending] = {}

    async def finalize(self, ks: Kustomization, report: Report) -> None:
        """Deletes the inventory in reverse order, unless suspended, orphaning, or not pruning.

        Objects that another Kustomization takes over stay. Raises PruneFailed, Undecided, Terminating, and ReconciliationFailed
        while a remote cluster cannot be reached: what is there must not be forgotten.
        """
        policy = ks.spec.deletion_policy or "MirrorPrune"
        keeps = ks.spec.suspend or policy == "Orphan" or (policy == "MirrorPrune" and not ks.spec.prune)
        if keeps or not inventory_of(ks.status):
            return
        at = cluster_of(ks, self._clusters, self._settings, report)
        async with at as cluster, cluster.told(timeout_of(ks), report.away):
            kube = acting_as(ks, cluster.kube, self._settings)
            ending = self._ending.pop(ks.key, None) or _Ending(await self._delete(ks, cluster, kube, report), _end_of(ks))
            if policy == "WaitForTermination":
                await self._await_end(ks, kube, ending, report)

    def forget(self, key: Key) -> None:
        self._ending.pop(key, None)

    async def _delete(self, ks: Kustomization, cluster: Cluster, kube: Kube, report: Report) -> list[ObjectRef]:
        refs = inventory_of(ks.status)
        if cluster.name == LOCAL and await self._account_is_gone(ks, cluster):
            return _orphan(refs, report)
        heirs = await self._handover.heirs(ks, refs)
        pruned = await prune(kube, refs, lambda manifest: belongs_to(ks, manifest), heirs, self._settings.custom_stage_kinds)
        if pruned.refused and await self._account_is_gone(ks, cluster):
            return _orphan(list(pruned.refused), report)
        if lines := pruned.lines + [f"{ref} kept, {reason}" for ref, reason in pruned.kept.items()]:
            report.event("Normal", "ReconciliationSucceeded", "\n".join(lines))
        if pruned.refused:
            raise PruneFailed(f"pruning for deleted resource failed: {pruned.error}")
        return pruned.deleted

    async def _account_is_gone(self, ks: Kustomization, cluster: Cluster) -> bool:
        """Nobody to delete as. On a remote cluster a user may have rights and be no service account, so there it is asked
        only after a refusal."""
        account = ks.spec.service_account_name or self._settings.common.default_service_account
        try:
            return bool(account) and await cluster.kube.find(ObjectRef("v1", "ServiceAccount", ks.namespace, account)) is None
        except Forbidden:
            return False

    async def _await_end(self, ks: Kustomization, kube: Kube, ending: _Ending, report: Report) -> None:
        """Raises Terminating; time that is over lets the Kustomization go, and people know."""
        left = [ref for ref in ending.refs if await find_surely(kube, ref)]
        if not left:
            return
        if asyncio.get_running_loop().time() >= ending.until:
            report.event("Warning", "ReconciliationFailed", "failed to wait for resources termination")
            return
        self._ending[ks.key] = _Ending(left, ending.until)
        raise Terminating(f"waiting for the termination of {', '.join(map(str, left))}")


def _end_of(ks: Kustomization) -> float:
    return asyncio.get_running_loop().time() + timeout_of(ks)


def _orphan(refs: list[ObjectRef], report: Report) -> list[ObjectRef]:
    """The objects are left, and people are told."""
    lines = "\n".join(str(ref) for ref in refs)
    report.event("Warning", "ReconciliationFailed", f"unable to prune objects: \n{lines}")
    return []
