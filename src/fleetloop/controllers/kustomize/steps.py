"""The steps of a pass that ask the cluster: as whom to act, which variables to use.

Variables are read with the controller's identity from the object's own namespace. Flux: source-kustomize.md 8.6.
"""

import base64
import contextlib
from collections.abc import AsyncIterator

from fleetloop.access.clusters import Cluster, Clusters
from fleetloop.access.kubeconfigs import ClusterUnusable
from fleetloop.api import names
from fleetloop.api.kustomize import Kustomization
from fleetloop.build import variables_of
from fleetloop.controllers.kustomize.failures import BadAccount, ReconciliationFailed
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.kube import service_accounts
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, NotFound, ServerFailed
from fleetloop.kube.objects import Manifest, ObjectRef, labels_of
from fleetloop.runtime.config_watches import Reader
from fleetloop.runtime.controller import Report


def user_of(kustomization: Kustomization, settings: KustomizeSettings) -> str:
    """The user everything of this object is done as, here and on a remote cluster: its service account, else the default one;
    "" for the connection's own. Raises BadAccount: a name goes into a header."""
    account = kustomization.spec.service_account_name or settings.common.default_service_account
    try:
        return service_accounts.user_of(kustomization.namespace, account)
    except ValueError as error:
        raise BadAccount(f"spec.serviceAccountName {error}") from error


@contextlib.asynccontextmanager
async def cluster_of(
    ks: Kustomization, clusters: Clusters, settings: KustomizeSettings, report: Report
) -> AsyncIterator[Cluster]:
    """Where its objects are. Raises ReconciliationFailed, BadAccount."""
    try:
        async with clusters.at(ks.key, ks.spec.kube_config, user_of(ks, settings), report.away) as cluster:
            yield cluster
    except ClusterUnusable as error:
        raise ReconciliationFailed(str(error)) from error


def acting_as(kustomization: Kustomization, kube: Kube, settings: KustomizeSettings) -> Kube:
    user = user_of(kustomization, settings)
    return kube.acting_as(user) if user else kube


async def read_variables(kustomization: Kustomization, reader: Reader) -> tuple[dict[str, str], str]:
    """What postBuild substitutes, by name; which object is missing, "" for none."""
    post_build = kustomization.spec.post_build
    if post_build is None:
        return {}, ""
    referenced, missing = [], ""
    for ref in post_build.substitute_from:
        try:
            manifest = await reader.get(ObjectRef("v1", ref.kind, kustomization.namespace, ref.name))
        except ServerFailed:
            raise
        except ApiError as error:
            if not ref.optional or not isinstance(error, NotFound):
                missing = missing or f"substitute from '{ref.kind}/{ref.name}' error: {error.message}"
            continue
        referenced.append({name: value.decode(errors="replace") for name, value in data_of(manifest).items()})
    return variables_of(referenced, post_build.substitute), missing


def data_of(manifest: Manifest) -> dict[str, bytes]:
    """A ConfigMap's or a Secret's data as bytes."""
    if manifest.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in (manifest.get("data") or {}).items()}
    return {key: value.encode() for key, value in (manifest.get("data") or {}).items()}


def owner_labels(kustomization: Kustomization) -> dict[str, str]:
    return {
        names.KUSTOMIZATION_NAME: kustomization.name,
        names.KUSTOMIZATION_NAMESPACE: kustomization.namespace,
    }


def belongs_to(kustomization: Kustomization, manifest: Manifest) -> bool:
    """SK28: whoever applied last owns the object."""
    labels = labels_of(manifest)
    return all(labels.get(key) == value for key, value in owner_labels(kustomization).items())
