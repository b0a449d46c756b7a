"""What a deleted HelmRelease takes along, and what goes before a release moves. Flux: helm-notification-image.md 2.16, 2.5-9."""

import copy

from fleetloop.access.clusters import Cluster
from fleetloop.api import names
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus
from fleetloop.controllers.helm import conditions
from fleetloop.controllers.helm import release as options
from fleetloop.controllers.helm.engine import Helm, HelmFailed
from fleetloop.controllers.helm.failures import ActionFailed, ConnectionFailed, DescriptionMissing
from fleetloop.controllers.helm.history import event_metadata, with_chart
from fleetloop.controllers.helm.place import account_of, acting_as, cluster_of
from fleetloop.controllers.helm.tools import HelmTools
from fleetloop.controllers.helm.waits import Waiter
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import NotFound
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.conditions import mark
from fleetloop.runtime.controller import Report
from fleetloop.runtime.status import save_status


async def finalize(tools: HelmTools, release: HelmRelease, report: Report) -> None:
    """Uninstalls what is on record, then the HelmChart goes; a suspended release leaves everything. Flux: 2.16.

    Raises ActionFailed, and ConnectionFailed while a remote cluster is away: what is there must not be forgotten.
    """
    if release.spec.suspend:
        return
    draft = copy.copy(release.status)
    if _was_released(draft) and not await _account_is_gone(release, tools):
        try:
            async with cluster_of(release, tools, report) as cluster:
                await _uninstall_at(cluster, tools, release, draft, report)
        except DescriptionMissing as error:
            report.event("Warning", "UninstallFailed", f"release {_place_of(release, draft)} is left as it is: {error}")
        except ConnectionFailed as error:
            report.event("Warning", "UninstallFailed", f"Helm uninstall failed for release {_place_of(release, draft)}: {error}")
            raise
    if draft.helm_chart:
        await delete_chart(tools.kube, draft.helm_chart, report)


async def _uninstall_at(
    cluster: Cluster, tools: HelmTools, release: HelmRelease, draft: HelmReleaseStatus, report: Report
) -> None:
    try:
        await uninstall(release, draft, report, _helm(cluster, tools, release, draft))
    except ActionFailed:
        conditions.summarize(draft, release, utc_now())
        await save_status(tools.kube.managing_as(names.HELM_CONTROLLER), release, draft, conditions.OWNED)
        raise


def _was_released(status: HelmReleaseStatus) -> bool:
    """An install that was killed before it could be recorded counts: nothing of the name was there when it began."""
    return bool(status.storage_namespace) and (bool(status.history) or status.last_attempted_release_action == "install")


def _helm(cluster: Cluster, tools: HelmTools, release: HelmRelease, draft: HelmReleaseStatus) -> Helm:
    kube = acting_as(release, cluster, tools.settings)
    waiter = Waiter(release.key, cluster, kube)
    namespace, _, name = _place_of(release, draft).partition("/")
    return Helm(
        engines=tools.engines,
        connection=kube.connection,
        name=name,
        namespace=namespace,
        storage_namespace=draft.storage_namespace,
        algorithm=tools.settings.digest_algorithm,
        record=draft,
        new_oci_digest="",
        owner=release.namespace,
        wait=lambda args: tools.waits.answer(waiter, args),
    )


def _place_of(release: HelmRelease, draft: HelmReleaseStatus) -> str:
    """`namespace/name`: of what is on record, else of what is wanted."""
    if draft.history:
        return f"{draft.history[0].namespace}/{draft.history[0].name}"
    return f"{options.release_namespace(release)}/{options.release_name(release)}"


async def uninstall(release: HelmRelease, draft: HelmReleaseStatus, report: Report, helm: Helm) -> None:
    """A release that is gone already is fine. Raises ActionFailed."""
    arguments = options.uninstall_arguments(release)
    try:
        async with report.away():
            outcome = await helm.act("helm.uninstall", arguments["seconds"], **arguments)
        error = outcome.error
    except HelmFailed as failure:
        error = str(failure)
    newest = draft.history[0] if draft.history else None
    place = with_chart(newest) if newest else f"{helm.namespace}/{helm.name}"
    metadata = event_metadata(newest.chart_version, newest.config_digest, newest.app_version, newest.oci_digest) if newest else {}
    if error and "already deleted" not in error:
        message = f"Helm uninstall failed for release {place}: {error}"
        _mark(draft, release, "False", "UninstallFailed", message)
        report.event("Warning", "UninstallFailed", message, metadata)
        draft.failures += 1
        raise ActionFailed("UninstallFailed", message)
    message = f"Helm uninstall succeeded for release {place}"
    _mark(draft, release, "False", "UninstallSucceeded", message)
    report.event("Normal", "UninstallSucceeded", message, metadata)


def _mark(draft: HelmReleaseStatus, release: HelmRelease, value: str, reason: str, message: str) -> None:
    mark(draft, conditions.RELEASED, value, reason, message, generation=release.metadata.generation, now=utc_now())


async def _account_is_gone(release: HelmRelease, tools: HelmTools) -> bool:
    """Of this cluster; on another one a user may have rights and be no service account."""
    account = account_of(release, tools.settings) if release.spec.kube_config is None else ""
    return bool(account) and await tools.kube.find(ObjectRef("v1", "ServiceAccount", release.namespace, account)) is None


async def delete_chart(kube: Kube, name: str, report: Report) -> None:
    """`name`: namespace/name of a HelmChart of ours."""
    namespace, _, own = name.partition("/")
    try:
        await kube.delete(ObjectRef("source.toolkit.fluxcd.io/v1", "HelmChart", namespace, own))
    except NotFound:
        return
    report.event("Trace", "HelmChartDeleted", f"deleted HelmChart/{name}")
