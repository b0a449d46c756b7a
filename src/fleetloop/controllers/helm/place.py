"""Where a release lives, and as whom it acts there: this cluster, or the one that spec.kubeConfig describes.

Helm's storage, hooks, lookups, waits, drift and definitions are all there; values, charts, events and the status are here.
Flux: helm-notification-image.md 2.2, 2.16.
"""

import contextlib
from collections.abc import AsyncIterator

from fleetloop.access.clusters import Cluster
from fleetloop.access.kubeconfigs import ClusterUnusable, KubeconfigMissing
from fleetloop.api.helm import HelmRelease
from fleetloop.controllers.helm.failures import ConnectionFailed, DescriptionMissing
from fleetloop.controllers.helm.settings import HelmSettings
from fleetloop.controllers.helm.tools import HelmTools
from fleetloop.kube import service_accounts
from fleetloop.kube.client import Kube
from fleetloop.runtime.controller import Report


def account_of(release: HelmRelease, settings: HelmSettings) -> str:
    """Of the release's namespace; "" for none."""
    return release.spec.service_account_name or settings.common.default_service_account


def user_of(release: HelmRelease, settings: HelmSettings) -> str:
    """ "" for the connection's own. Raises ConnectionFailed."""
    try:
        return service_accounts.user_of(release.namespace, account_of(release, settings))
    except ValueError as error:
        raise ConnectionFailed(f"spec.serviceAccountName: {error}") from error


@contextlib.asynccontextmanager
async def cluster_of(release: HelmRelease, tools: HelmTools, report: Report) -> AsyncIterator[Cluster]:
    """Raises ConnectionFailed, DescriptionMissing."""
    user = user_of(release, tools.settings)
    try:
        async with tools.clusters.at(release.key, release.spec.kube_config, user, report.away) as cluster:
            yield cluster
    except KubeconfigMissing as error:
        raise DescriptionMissing(str(error)) from error
    except ClusterUnusable as error:
        raise ConnectionFailed(str(error)) from error


def acting_as(release: HelmRelease, cluster: Cluster, settings: HelmSettings) -> Kube:
    user = user_of(release, settings)
    return cluster.kube.acting_as(user) if user else cluster.kube
