"""`version`: of this program, and of what runs in the cluster."""

import json
from dataclasses import dataclass

from fleetloop import __version__
from fleetloop.cli.command import Command, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import UsageError


@dataclass(frozen=True)
class Version(Command):
    """Print the versions of this program and of the controllers.

    Examples:
      fleetloop version --client
      fleetloop version -o json
    """

    client: bool = flag("--client", help="only the version of this program")
    output: str = flag("--output", "-o", default="yaml", help="yaml or json")

    def check(self) -> None:
        if self.output not in ("yaml", "json"):
            raise UsageError(f"--output must be json or yaml, not {self.output}")

    async def run(self, cx: Context) -> None:
        from fleetloop.bootstrap.versions import versions_in

        found = {"flux": f"v{__version__}"}
        if not self.client:
            async with cx.kube() as kube:
                distribution, images = await versions_in(kube, cx.namespace)
            found |= {"distribution": distribution} if distribution else {}
            found |= {name: images[name] for name in sorted(images)}
        if self.output == "json":
            cx.print(json.dumps(found, indent=2, sort_keys=True))
        else:
            cx.print("\n".join(f"{name}: {version}" for name, version in found.items()))
