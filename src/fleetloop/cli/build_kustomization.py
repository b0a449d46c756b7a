"""`build kustomization`: the objects a Kustomization would apply, built from a directory of this machine."""

from dataclasses import dataclass
from pathlib import Path

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.engines import engines_of
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.local_build import BuildFlags, LocalBuild, kustomization_in, live_kustomization
from fleetloop.cli.output import formatted
from fleetloop.cli.subjects import BY_NAME
from fleetloop.kube.errors import NotFound
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of


@dataclass(frozen=True)
class BuildKustomization(Command):
    """Build a Kustomization from a local directory and print its objects.

    Nothing is written into the directory. Secrets that SOPS encrypted are shown without their values.

    Examples:
      fleetloop build kustomization apps --path=./apps
      fleetloop build kustomization apps --path=./apps --dry-run --kustomization-file=./clusters/prod/apps.yaml
    """

    names_kind = "Kustomization"

    name: str = argument(usage="")
    flags: BuildFlags = options(BuildFlags)
    dry_run: bool = flag("--dry-run", help="ask no cluster; needs --kustomization-file")

    def check(self) -> None:
        if not self.name:
            raise UsageError("kustomization name is required")
        self.flags.check_path()
        if self.dry_run and not self.flags.kustomization_file:
            raise UsageError("dry-run mode requires a kustomization file")
        self.flags.check_file()

    async def run(self, cx: Context) -> None:
        file = self.flags.kustomization_file
        given = kustomization_in(file, self.name, cx.namespace) if file else None
        if self.dry_run and given:
            async with engines_of(cx) as engines:
                await self._print(cx, LocalBuild(self.flags, engines, None, cx.remaining()), given)
            return
        async with cx.kube() as kube, engines_of(cx) as engines:
            ref = ObjectRef(BY_NAME["Kustomization"].api_version, "Kustomization", cx.namespace, self.name)
            try:
                found = await live_kustomization(kube, ref, given)
            except NotFound as error:
                raise CliError(f"failed to get kustomization object: {error}") from None
            await self._print(cx, LocalBuild(self.flags, engines, kube, cx.remaining()), found)

    async def _print(self, cx: Context, local: LocalBuild, kustomization: Manifest) -> None:
        """⚠ CLI31: a separator after every document, none in front."""
        objects = await self._objects(local, kustomization, self.flags.directory, frozenset())
        cx.write("".join(formatted(manifest, "yaml") + "---\n" for manifest in objects))

    async def _objects(
        self, local: LocalBuild, kustomization: Manifest, directory: Path, above: frozenset[ObjectRef]
    ) -> list[Manifest]:
        """Its own, then those of the Kustomizations among them, depth first."""
        built = await local.build(kustomization, directory)
        found = list(built.objects)
        above |= {ref_of(kustomization)}
        if self.flags.recursive:
            async for child in local.nested(built, above):
                found += await self._objects(local, child, local.directory_of(child), above)
        return found
