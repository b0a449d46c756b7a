"""`install`: the controllers, without a repository they would be kept equal to."""

import asyncio
from dataclasses import dataclass

from fleetloop.cli.command import Command, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.install_flags import InstallFlags


@dataclass(frozen=True)
class Install(Command):
    """Install or upgrade the controllers.

    Examples:
      fleetloop install
      fleetloop install --components-extra=image-reflector-controller,image-automation-controller
      fleetloop install --export > components.yaml
    """

    what: InstallFlags = options(InstallFlags)
    export: bool = flag("--export", help="print the manifests instead of applying them")

    def check(self) -> None:
        self.what.check()

    def run(self, cx: Context) -> None:
        from fleetloop.bootstrap.components import generate

        wanted = self.what.options(cx.namespace)
        if self.export:
            cx.write(generate(wanted))
        else:
            asyncio.run(self._install(cx))

    async def _install(self, cx: Context) -> None:
        """Not bound as a whole: the controllers have a `--timeout` of their own to become healthy."""
        from fleetloop.bootstrap.hands import RealHands
        from fleetloop.bootstrap.install import Installation, install
        from fleetloop.cli.questions import asking

        wanted = Installation(
            self.what.options(cx.namespace),
            self.what.pull_secret(),
            self.what.force,
            cx.options.verbose,
            cx.options.timeout,
        )
        async with cx.kube() as kube:
            await install(wanted, kube, RealHands(kube), cx.say, asking(cx), cx.print)
