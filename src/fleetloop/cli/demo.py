"""`demo`: a whole fleet on this machine, and what it does when something changes."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from fleetloop.cli.command import Command, flag
from fleetloop.cli.context import Context


@dataclass(frozen=True)
class Demo(Command):
    """Run a whole fleet on this machine.

    Starts a Git forge, a registry, a chat and two clusters, bootstraps both from a fleet repository, and shows what happens
    next: commits, new charts and images, a hand that slips, a release that crashes. The fleet runs until you press Ctrl-C;
    `--keep` leaves it running.

    Examples:
      fleetloop demo
      fleetloop demo --exit
    """

    checks_namespace = False
    is_bounded = False

    dir: str = flag("--dir", help="folder for the fleet's state, removed at the next demo")
    exit: bool = flag("--exit", help="stop everything when the last act is over")
    keep: bool = flag("--keep", help="end the command and leave the fleet running")

    async def run(self, cx: Context) -> None:
        from fleetloop.local.demo import tell
        from fleetloop.local.demo.place import take_down
        from fleetloop.local.demo.story import Title
        from fleetloop.local.state import default_folder

        folder = Path(self.dir) if self.dir else default_folder(cx.environment) / "demo"
        kept = False
        try:
            place = await tell(folder, cx.say, Title(cx.say))
            cx.say.success("the demo is over; the fleet goes on")
            for name, kubeconfig in place.kubeconfigs.items():
                cx.print(f"  fleetloop get kustomizations -A --kubeconfig={kubeconfig}   # {name}")
            cx.print(f"  fleetloop local status --dir={folder}")
            cx.print(f"  forge: {place.forge_url} (certificate authority: {place.ca_file})")
            cx.print(f"  alerts: {place.chat_url}")
            if self.keep:
                kept = True
            elif not self.exit:
                cx.print("Press Ctrl-C to stop everything.")
                await asyncio.get_running_loop().create_future()
        finally:
            if not kept:
                await take_down(folder)
