"""`build helmrelease`: the objects a HelmRelease would bring, rendered on this machine."""

from dataclasses import dataclass

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.engines import engines_of
from fleetloop.cli.errors import UsageError
from fleetloop.cli.local_release import LocalRelease, ReleaseFlags, Rendered, find_release, release_in
from fleetloop.cli.output import formatted
from fleetloop.cli.secret_mask import mask_pair
from fleetloop.kube.objects import Manifest


@dataclass(frozen=True)
class BuildHelmRelease(Command):
    """Render the chart of a HelmRelease with the values and post-renderers its controller would use.

    The chart is what the source in the cluster serves, or one of this machine. First come the chart's custom resource
    definitions, as far as the release brings them, then its objects, then its hooks. Values of Secrets are masked.

    Examples:
      fleetloop build helmrelease app -n apps
      fleetloop build helmrelease app -n apps --helmrelease-file=./app.yaml --chart-path=./charts/app
      fleetloop build helmrelease app -n apps --dry-run --helmrelease-file=./app.yaml --chart-path=./charts/app
    """

    names_kind = "HelmRelease"

    name: str = argument()
    flags: ReleaseFlags = options(ReleaseFlags)
    dry_run: bool = flag("--dry-run", help="ask no cluster; needs --helmrelease-file and --chart-path")
    show_secrets: bool = flag("--show-secrets", help="print the values of Secrets")

    def check(self) -> None:
        if not self.name:
            raise UsageError("helmrelease name is required")
        self.flags.check()
        if self.dry_run and not (self.flags.helmrelease_file and self.flags.chart_path):
            raise UsageError("dry-run mode requires a helmrelease file and a chart path")

    async def run(self, cx: Context) -> None:
        file = self.flags.helmrelease_file
        if self.dry_run:
            manifest = release_in(file, self.name, cx.namespace)
            if manifest["spec"].get("valuesFrom"):
                cx.say.warning("values of spec.valuesFrom are left out, as no cluster is asked")
            async with engines_of(cx) as engines:
                self._print(cx, await LocalRelease(self.flags, engines, None).render(manifest))
            return
        async with cx.kube() as kube, engines_of(cx) as engines:
            manifest, _ = await find_release(kube, self.name, cx.namespace, file)
            self._print(cx, await LocalRelease(self.flags, engines, kube).render(manifest))

    def _print(self, cx: Context, rendered: Rendered) -> None:
        """A separator after every document, as in `build kustomization`."""
        for manifest in (*rendered.definitions, *rendered.objects, *rendered.hooks):
            cx.write(formatted(self._shown(manifest), "yaml") + "---\n")

    def _shown(self, manifest: Manifest) -> Manifest:
        return manifest if self.show_secrets else mask_pair(manifest, manifest)[1]
