"""`build artifact`: pack a directory or file into an archive on this machine."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from fleetloop.cli.artifact_files import STDIN, IgnoreFlag, SymlinksFlag, check_path, packed
from fleetloop.cli.command import Command, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError


@dataclass(frozen=True)
class BuildArtifact(Command):
    """Build an artifact from a directory, a file, or stdin (-). Equal content makes equal archives.

    Examples:
      fleetloop build artifact --path=./deploy --output=./deploy.tgz
      kustomize build ./deploy | fleetloop build artifact --path=- --output=./deploy.tgz
    """

    path: str = flag("--path", "-p", help="the directory or file, or - for stdin")
    output: str = flag("--output", "-o", default="artifact.tgz", help="where the archive is written to")
    ignored: IgnoreFlag = options(IgnoreFlag)
    links: SymlinksFlag = options(SymlinksFlag)

    def check(self) -> None:
        check_path(self.path)

    def run(self, cx: Context) -> None:
        cx.say.action(f"building artifact from {self.path}")
        ignored = [*self.ignored.ignore_paths, *self._own_output()]
        with packed(self.path, ignored, resolve=self.links.resolve_symlinks) as archive:
            try:
                shutil.move(archive, self.output)
            except OSError as error:
                raise CliError(f"building artifact failed, error: {error}") from None
        cx.say.success(f"artifact created at {self.output}")

    def _own_output(self) -> list[str]:
        """The archive of the last time is no part of the next."""
        if self.path == STDIN:
            return []
        source, output = Path(self.path).resolve(), Path(self.output).resolve()
        return [f"/{output.relative_to(source)}"] if output.is_relative_to(source) else []
