"""`migrate`: the current versions of the API, in a cluster's storage or in files."""

from dataclasses import dataclass
from pathlib import Path

from fleetloop.cli.command import Command, flag
from fleetloop.cli.context import Context


@dataclass(frozen=True)
class Migrate(Command):
    """Migrate objects of the API to its current versions.

    In the cluster every object is stored anew; with --path, manifests in files are rewritten.

    Examples:
      fleetloop migrate
      fleetloop migrate --path=. --dry-run
    """

    path: str = flag("--path", "-f", help="file or directory of manifests, inside the working directory")
    extensions: tuple[str, ...] = flag("--extensions", "-e", default=(".yaml", ".yml"), help="files to look at")
    version: str = flag("--version", "-v", help="Flux release whose versions are wanted, such as 2.9; default the newest")
    dry_run: bool = flag("--dry-run", help="only tell what would be rewritten in files")
    yes: bool = flag("--yes", "-y", help="rewrite files without asking")

    def check(self) -> None:
        from fleetloop.bootstrap.old_manifests import targets_of

        targets_of(self.version)

    async def run(self, cx: Context) -> None:
        if self.path:
            self._migrate_files(cx)
            return
        from fleetloop.bootstrap.storage_migration import migrate_cluster

        async with cx.kube() as kube:
            await migrate_cluster(kube, cx.say)

    def _migrate_files(self, cx: Context) -> None:
        from fleetloop.bootstrap.old_manifests import manifests_below, targets_of, upgraded, upgrades_in

        targets = targets_of(self.version)
        found = {}
        for file in manifests_below(Path(self.path), Path.cwd(), self.extensions, cx.say):
            text = file.read_bytes().decode(errors="surrogateescape")
            for upgrade in (upgrades := upgrades_in(text, targets)):
                cx.say.generate(f"{file}:{upgrade.line}: {upgrade.kind} {upgrade.old} -> {upgrade.new}")
            if upgrades:
                found[file] = upgraded(text, upgrades)
        if not found:
            cx.say.success("no custom resources found that require migration")
            return
        if self.dry_run:
            cx.say.success("dry-run mode enabled, no changes will be made")
            return
        if not self.yes:
            cx.confirm("Are you sure you want to proceed with the above upgrades")
        for file, text in found.items():
            file.write_bytes(text.encode(errors="surrogateescape"))
            cx.say.success(f"file {file} migrated successfully")
