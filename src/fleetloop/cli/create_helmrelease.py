"""`create helmrelease`: have a chart released."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetloop.cli.chart_names import CHART_REFS, ObjectName, chart_source, known_kind, object_name
from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import CreateOptions, apply_and_wait, check_name, export, manifest_of, name_ref, seconds_text
from fleetloop.cli.create_kustomization import dependency
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import DURATION, FlagType, choice
from fleetloop.cli.helm_values import merged
from fleetloop.cli.reconcile import result_of
from fleetloop.cli.subjects import BY_NAME

SOURCE = FlagType("string", chart_source, ObjectName(), show=lambda value: value.name)
_VALUES_KINDS = ("Secret", "ConfigMap")
_STRATEGIES = ("Revision", "ChartVersion")


@dataclass(frozen=True)
class CreateHelmRelease(Command):
    """Create or update a HelmRelease, which installs and upgrades a chart.

    Examples:
      fleetloop create helmrelease app --source=HelmRepository/charts --chart=app --chart-version=">=1.0.0" --values=./values.yaml
      fleetloop create helmrelease app --chart-ref=OCIRepository/app --target-namespace=apps --export > app.yaml
    """

    checks_namespace = False

    name: str = argument()
    common: CreateOptions = options(CreateOptions)
    source: ObjectName = flag("--source", type=SOURCE, help="where the chart comes from, as in kind/name[.namespace]")
    chart: str = flag("--chart", help="name of the chart, or its path in the source")
    chart_version: str = flag("--chart-version", help="version of the chart, or a range")
    chart_interval: float = flag("--chart-interval", type=DURATION, help="how often the chart is looked for")
    chart_ref: str = flag("--chart-ref", help="an OCIRepository or HelmChart, as in kind/name[.namespace]; in place of a chart")
    reconcile_strategy: str = flag(
        "--reconcile-strategy", default="ChartVersion", help="what makes a new chart: ChartVersion or Revision"
    )
    release_name: str = flag("--release-name", help="name of the release in Helm")
    target_namespace: str = flag("--target-namespace", help="the namespace to release into")
    storage_namespace: str = flag("--storage-namespace", help="the namespace of Helm's storage")
    create_target_namespace: bool = flag("--create-target-namespace", help="create the namespace to release into")
    service_account: str = flag("--service-account", help="the service account to act as")
    kubeconfig_secret_ref: str = flag("--kubeconfig-secret-ref", help="the Secret with the kubeconfig of another cluster")
    depends_on: tuple[str, ...] = flag("--depends-on", help="HelmReleases that must be ready first, as in [namespace/]name")
    values: tuple[str, ...] = flag("--values", help="files with values; later ones win")
    values_from: tuple[str, ...] = flag("--values-from", help="Secrets and ConfigMaps with values, as in kind/name")
    crds: str = flag(
        "--crds", type=choice("CRDs policy", "Skip", "Create", "CreateReplace"), help="what upgrades do with the chart's CRDs"
    )

    def check(self) -> None:
        check_name(self.name)
        if not self.chart and not self.chart_ref:
            raise UsageError("chart or chart-ref is required")
        if self.chart and self.chart_ref:
            raise UsageError("cannot use --chart in combination with --chart-ref")
        if self.reconcile_strategy not in _STRATEGIES:
            raise UsageError(f"'{self.reconcile_strategy}' is an invalid reconcile strategy(valid: {', '.join(_STRATEGIES)})")
        self.common.labels()

    def run(self, cx: Context) -> None:
        kind = BY_NAME["HelmRelease"]
        spec = self._spec()
        if not self.common.export:
            cx.say.generate("generating HelmRelease")
        manifest = manifest_of(cx, kind, self.name, self.common, spec)
        if self.common.export:
            export(cx, manifest)
            return
        done = apply_and_wait(cx, kind, manifest, "HelmRelease")
        cx.say.success(f"HelmRelease {self.name} is ready")
        cx.say.success(result_of(kind, done))

    def _spec(self) -> dict[str, Any]:
        """Raises CliError."""
        spec: dict[str, Any] = {
            "chart": self._chart() if self.chart else None,
            "chartRef": _chart_ref(self.chart_ref) if self.chart_ref else None,
            "releaseName": self.release_name,
            "targetNamespace": self.target_namespace,
            "storageNamespace": self.storage_namespace or self.target_namespace,
            "serviceAccountName": self.service_account,
            "kubeConfig": {"secretRef": name_ref(self.kubeconfig_secret_ref)} if self.kubeconfig_secret_ref else None,
            "dependsOn": [dependency(text) for text in self.depends_on],
            "values": _values_in(self.values),
            "valuesFrom": [_values_reference(text) for text in self.values_from],
        }
        install: dict[str, Any] = {"createNamespace": True} if self.create_target_namespace else {}
        if self.crds:  # an install always brings them: what is chosen is what upgrades do
            install["crds"] = "Create"
            spec["upgrade"] = {"crds": self.crds}
        return spec | {"install": install}

    def _chart(self) -> dict[str, Any]:
        """⚠ CLI16: a chart without a source is written as it was asked for; the API server refuses it."""
        found = {
            "chart": self.chart,
            "version": self.chart_version,
            "sourceRef": self.source.ref(),
            "interval": seconds_text(self.chart_interval),
            "reconcileStrategy": self.reconcile_strategy,
        }
        return {"spec": {key: value for key, value in found.items() if value}}


def _chart_ref(text: str) -> dict[str, str]:
    """Raises UsageError."""
    found = object_name(text)
    kind = known_kind(found.kind, CHART_REFS)
    if not kind:
        raise UsageError(f"chart reference kind '{found.kind}' is not supported, must be one of: {', '.join(CHART_REFS)}")
    return found._replace(kind=kind).ref()


def _values_reference(text: str) -> dict[str, str]:
    """Raises UsageError."""
    kind, _, name = text.partition("/")
    if not kind or not name or "/" in name:
        raise UsageError(f"invalid Kubernetes object reference '{text}', must be in format <kind>/<name>")
    known = known_kind(kind, _VALUES_KINDS)
    if not known:
        raise UsageError(f"reference kind '{kind}' is not supported, must be one of: {', '.join(_VALUES_KINDS)}")
    return {"kind": known, "name": name}


def _values_in(paths: tuple[str, ...]) -> dict[str, Any]:
    """Of all files, a later one winning. Raises CliError."""
    from fleetloop.api.yaml import InvalidYAML, load

    found: dict[str, Any] = {}
    for path in paths:
        try:
            values = load(Path(path).read_bytes())
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CliError(f"reading values from {path} failed: open {path}: {reason}") from None
        except InvalidYAML as error:
            raise CliError(f"converting values to JSON from {path} failed: {error}") from None
        if values is not None and not isinstance(values, dict):
            raise CliError(f"unmarshaling values from {path} failed: the values are no map")
        found = merged(found, values or {})
    return found
