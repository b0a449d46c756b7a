"""The HelmChart that is made for a release with a chart template. Flux: helm-notification-image.md 2.1, 2.5-2."""

from typing import Any

from fleetloop.api import names
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus
from fleetloop.api.meta import Object
from fleetloop.api.source import HelmChart
from fleetloop.controllers.helm.chart_source import source_key
from fleetloop.controllers.helm.failures import AccessDenied, ArtifactFailed
from fleetloop.controllers.helm.finalize import delete_chart
from fleetloop.controllers.helm.release import origin_labels
from fleetloop.controllers.helm.tools import HelmTools
from fleetloop.kube.errors import ApiError
from fleetloop.kube.objects import Manifest
from fleetloop.runtime.controller import Report
from fleetloop.runtime.decode import decoded

CHART_API = "source.toolkit.fluxcd.io/v1"


async def sync_chart(tools: HelmTools, release: HelmRelease, draft: HelmReleaseStatus, report: Report) -> None:
    """The HelmChart is as the template says; one that is not wanted any more goes. Raises AccessDenied, ArtifactFailed."""
    wanted = chart_manifest(release)
    name = f"{wanted['metadata']['namespace']}/{wanted['metadata']['name']}" if wanted else ""
    if draft.helm_chart and draft.helm_chart != name:
        await delete_chart(tools.kube, draft.helm_chart, report)
        draft.helm_chart = ""
    if wanted is None:
        return
    if wanted["metadata"]["namespace"] != release.namespace and tools.settings.common.no_cross_namespace_refs:
        assert release.spec.chart is not None  # there is a template
        ref = release.spec.chart.spec.source_ref
        message = f"cross-namespace references are not allowed: cannot access {ref.kind} {ref.namespace}/{ref.name}"
        raise AccessDenied(message)
    draft.helm_chart = name
    live = tools.sources.find(source_key(release))
    if live is not None and _spec_of(live) == _spec_of(decoded(HelmChart, wanted)) and _has_seen(draft, release):
        return
    try:
        await tools.kube.apply(wanted, field_manager=names.HELM_CONTROLLER)
    except ApiError as error:
        report.event("Trace", "HelmChartSyncErr", f"HelmChart/{name}: {error.message}")
        raise ArtifactFailed(f"failed to apply HelmChart/{name}: {error.message}") from error
    verb, source = "Created" if live is None else "Configured", wanted["spec"]["sourceRef"]
    source_name = f"{source['kind']}/{wanted['metadata']['namespace']}/{source['name']}"
    report.event("Trace", f"HelmChart{verb}", f"{verb} HelmChart/{name} with SourceRef '{source_name}'")


def _spec_of(chart: Object) -> object:
    return chart.spec  # type: ignore[attr-defined]  # a HelmChart has one


def _has_seen(draft: HelmReleaseStatus, release: HelmRelease) -> bool:
    """Labels and annotations of the template come with its generation."""
    return draft.observed_generation == release.metadata.generation


def chart_manifest(release: HelmRelease) -> Manifest | None:
    """The HelmChart of a release with a chart template; None for one with a chartRef."""
    template = release.spec.chart
    if template is None:
        return None
    key, spec, metadata = source_key(release), template.spec, template.metadata
    wanted: dict[str, Any] = {
        "chart": spec.chart,
        "version": spec.version or "*",
        "sourceRef": {"kind": spec.source_ref.kind, "name": spec.source_ref.name},
        "interval": spec.interval or release.spec.interval,
        "reconcileStrategy": spec.reconcile_strategy,
    }
    if spec.values_files:
        wanted["valuesFiles"] = list(spec.values_files)
    if spec.ignore_missing_values_files:
        wanted["ignoreMissingValuesFiles"] = True
    if spec.verify:
        secret = spec.verify.secret_ref
        wanted["verify"] = {"provider": spec.verify.provider} | ({"secretRef": {"name": secret.name}} if secret else {})
    return {
        "apiVersion": CHART_API,
        "kind": "HelmChart",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": (metadata.labels if metadata else {}) | origin_labels(release),
            **({"annotations": metadata.annotations} if metadata and metadata.annotations else {}),
        },
        "spec": wanted,
    }
