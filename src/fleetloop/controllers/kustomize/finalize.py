"""What a deleted Kustomization takes along. Flux: source-kustomize.md 8.9."""

import asyncio

from fleetloop.api.kustomize import Kustomization
from fleetloop.controllers.kustomize.failures import PruneFailed
from fleetloop.controllers.kustomize.reconcile import inventory_of, timeout_of
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.controllers.kustomize.steps import acting_as, belongs_to
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import NotFound
from fleetloop.kube.objects import ObjectRef
from fleetloop.kube.prune import prune
from fleetloop.runtime.controller import Report


async def finalize(ks: Kustomization, report: Report, kube: Kube, settings: KustomizeSettings) -> None:
    """Deletes the inventory in reverse order, unless suspended, orphaning, or not pruning. Raises PruneFailed."""
    policy = ks.spec.deletion_policy or "MirrorPrune"
    refs = inventory_of(ks.status)
    if ks.spec.suspend or not refs or policy == "Orphan" or (policy == "MirrorPrune" and not ks.spec.prune):
        return
    if await _account_is_gone(ks, kube, settings):
        lines = "\n".join(str(ref) for ref in refs)
        report.event("Warning", "ReconciliationFailed", f"unable to prune objects: \n{lines}")
        return
    pruned = await prune(acting_as(ks, kube, settings), refs, lambda manifest: belongs_to(ks, manifest))
    if pruned.lines:
        report.event("Normal", "ReconciliationSucceeded", "\n".join(pruned.lines))
    if pruned.refused:
        raise PruneFailed(f"pruning for deleted resource failed: {pruned.error}")
    if policy == "WaitForTermination":
        try:
            async with asyncio.timeout(timeout_of(ks)):
                for ref in pruned.deleted:
                    await _until_gone(kube, ref)
        except TimeoutError:
            report.event("Warning", "ReconciliationFailed", "failed to wait for resources termination")


async def _account_is_gone(ks: Kustomization, kube: Kube, settings: KustomizeSettings) -> bool:
    """Nobody to delete as: the objects are left, and people are told."""
    account = ks.spec.service_account_name or settings.common.default_service_account
    return bool(account) and await kube.find(ObjectRef("v1", "ServiceAccount", ks.namespace, account)) is None


async def _until_gone(kube: Kube, ref: ObjectRef) -> None:
    selector = f"metadata.name={ref.name}"
    while True:
        try:
            items, version = await kube.list_with_version(ref.api_version, ref.kind, ref.namespace, field_selector=selector)
        except NotFound:
            return  # the kind itself is gone
        if not items:
            return
        async for event in kube.watch(ref.api_version, ref.kind, ref.namespace, "", selector, version):
            if event.type == "DELETED":
                break
