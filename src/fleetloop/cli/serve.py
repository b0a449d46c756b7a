"""`serve`: runs one controller. `main.py` hands its flags on unread, since each controller has its own."""

from dataclasses import dataclass

from fleetloop.cli.command import Command, argument
from fleetloop.cli.context import Context
from fleetloop.cli.errors import UsageError


@dataclass(frozen=True)
class Serve(Command):
    """Run a controller; what the Deployments in a cluster start.

    The component's own flags follow its name; `fleetloop serve kustomize-controller --help` lists them.

    Examples:
      fleetloop serve source-controller --storage-path=/data --storage-adv-addr=localhost:9090
    """

    component: str = argument()

    def check(self) -> None:
        raise UsageError("the name of a controller is required")

    def run(self, cx: Context) -> None:
        """Never reached: `check` refuses."""
