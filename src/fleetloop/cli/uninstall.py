"""`uninstall`: the controllers and the API go, what they deployed stays."""

import asyncio
from dataclasses import dataclass

from fleetloop.cli.command import Command, flag
from fleetloop.cli.context import Context


@dataclass(frozen=True)
class Uninstall(Command):
    """Remove the controllers and their resources; what they deployed stays.

    Examples:
      fleetloop uninstall
      fleetloop uninstall --dry-run
    """

    dry_run: bool = flag("--dry-run", help="only tell what would be deleted")
    keep_namespace: bool = flag("--keep-namespace", help="do not delete the namespace")
    silent: bool = flag("--silent", "-s", help="delete without asking")

    def run(self, cx: Context) -> None:
        asyncio.run(self._uninstall(cx))

    async def _uninstall(self, cx: Context) -> None:
        """Each wait in it has a `--timeout` of its own."""
        from fleetloop.bootstrap.uninstall import Removal, confirm_uninstall, uninstall
        from fleetloop.cli.questions import asking

        removal = Removal(cx.namespace, self.keep_namespace, self.dry_run)
        async with cx.kube() as kube:
            if not (self.silent or self.dry_run):
                await confirm_uninstall(kube, asking(cx))
            await uninstall(removal, kube, cx.say, cx.options.timeout)
