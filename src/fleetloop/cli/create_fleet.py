"""`create fleet`: the repositories of a new fleet and its charts, as folders to review, commit and push."""

from dataclasses import dataclass
from pathlib import Path

from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import UsageError


@dataclass(frozen=True)
class CreateFleet(Command):
    """Write the repositories of a new fleet: fleet, infra and apps, and the charts that they install.

    Secrets are encrypted with SOPS for the two age recipients; their values are placeholders until you fill them in.
    Without recipients new age keys are made, and written beside the repositories.

    Examples:
      fleetloop create fleet ./work --organisation=acme --host=github.com --domain=acme.dev
    """

    checks_namespace = False

    directory: str = argument()
    organisation: str = flag("--organisation", help="organisation that owns the repositories")
    host: str = flag("--host", default="github.com", help="host of the forge")
    domain: str = flag("--domain", default="example.com", help="domain of the applications' host names")
    registry: str = flag("--registry", help="registry of charts and images, as HOST/PATH (default registry.DOMAIN/ORGANISATION)")
    fleet: str = flag("--fleet", default="fleet", help="name of the fleet repository")
    infra: str = flag("--infra", default="infra", help="name of the infra repository")
    apps: str = flag("--apps", default="apps", help="name of the apps repository")
    platform_recipient: str = flag("--platform-recipient", help="age public key that secrets in fleet are encrypted for")
    apps_recipient: str = flag("--apps-recipient", help="age public key that secrets in apps are encrypted for")

    def check(self) -> None:
        if not self.directory:
            raise UsageError("a directory is required")
        if not self.organisation:
            raise UsageError("--organisation is required")

    async def run(self, cx: Context) -> None:
        from fleetloop.engine import Engines
        from fleetloop.fleet import CHARTS, FleetNames, sealing, write_fleet

        target = Path(self.directory)
        names = FleetNames(
            organisation=self.organisation,
            host=self.host,
            domain=self.domain,
            platform_recipient=self.platform_recipient or _new_key(cx, target / "platform.agekey"),
            apps_recipient=self.apps_recipient or _new_key(cx, target / "apps.agekey"),
            fleet=self.fleet,
            infra=self.infra,
            apps=self.apps,
            registry=self.registry,
        )
        async with Engines() as engines:
            await write_fleet(target, names, sealing(engines, {}))
        for repository in (names.fleet, names.infra, names.apps, CHARTS):
            cx.say.success(f"wrote {target / repository}")
        cx.say.action(f"read {target / names.fleet / 'README.md'} for the next steps")


def _new_key(cx: Context, path: Path) -> str:
    """The public half of a key in `path`, made if it is not there. Only its owner can read the file."""
    from fleetloop.fleet import new_age_key

    if path.exists():
        lines = path.read_text().splitlines()
        return next(line.removeprefix("# public key: ") for line in lines if line.startswith("# public key: "))
    key = new_age_key()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(f"# public key: {key.recipient}\n{key.identity}\n")
    cx.say.success(f"wrote {path}: keep it out of Git")
    return key.recipient
