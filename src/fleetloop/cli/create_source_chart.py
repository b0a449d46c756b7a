"""`create source chart`: a chart of a repository, as an object of its own."""

from dataclasses import dataclass
from typing import Any

from fleetloop.cli.chart_names import ObjectName, chart_source_nearby
from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import apply_and_wait, artifact_revision, check_name, export, manifest_of
from fleetloop.cli.create_source import SourceOptions, VerifyFlags
from fleetloop.cli.errors import UsageError
from fleetloop.cli.goflags import FlagType
from fleetloop.cli.subjects import BY_NAME

WHAT = "HelmChart source"
SOURCE = FlagType("helmChartSource", chart_source_nearby, ObjectName(), show=lambda value: value.name)


@dataclass(frozen=True)
class CreateSourceChart(Command):
    """Create or update a HelmChart source.

    Examples:
      fleetloop create source chart app --source=HelmRepository/charts --chart=app --chart-version=">=1.0.0"
      fleetloop create source chart app --source=GitRepository/apps --chart=./charts/app
    """

    checks_namespace = False

    name: str = argument()
    shared: SourceOptions = options(SourceOptions)
    source: ObjectName = flag("--source", type=SOURCE, help="where the chart comes from, as in HelmRepository/charts")
    chart: str = flag("--chart", help="name of the chart, or its path in the source")
    chart_version: str = flag("--chart-version", help="version of the chart, or a range")
    reconcile_strategy: str = flag(
        "--reconcile-strategy", default="ChartVersion", help="what makes a new artifact: ChartVersion or Revision"
    )
    verify: VerifyFlags = options(VerifyFlags)

    def check(self) -> None:
        check_name(self.name)
        if not self.source.name:
            raise UsageError("chart source is required")
        if not self.chart:
            raise UsageError("chart name or path is required")
        self.shared.common.labels()
        self.verify.spec()

    def run(self, cx: Context) -> None:
        """⚠ CLI13: this verb alone tells what it generates even when it only prints it."""
        kind = BY_NAME["HelmChart"]
        manifest = manifest_of(cx, kind, self.name, self.shared.common, self._spec())
        cx.say.generate(f"generating {WHAT}")
        if self.shared.common.export:
            export(cx, manifest)
            return
        done = apply_and_wait(cx, kind, manifest, WHAT, "source")
        cx.say.success(f"{WHAT} reconciliation completed")
        cx.say.success(f"fetched revision: {artifact_revision(done, WHAT)}")

    def _spec(self) -> dict[str, Any]:
        return {
            "chart": self.chart,
            "version": self.chart_version,
            "sourceRef": {"kind": self.source.kind, "name": self.source.name},
            "reconcileStrategy": self.reconcile_strategy,
            "verify": self.verify.spec(),
        }
