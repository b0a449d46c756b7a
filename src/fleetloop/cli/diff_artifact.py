"""`diff artifact`: does an artifact of a registry hold what a directory of this machine does?"""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fleetloop.cli.artifact_files import IgnoreFlag, packed
from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import quoted
from fleetloop.cli.pull_artifact import fetch
from fleetloop.cli.registry_access import InsecureFlag, LoginFlags, reference_of, registry_for, retried


@dataclass(frozen=True)
class DiffArtifact(Command):
    """Compare a directory or file with an artifact in a registry. Exit codes: 0 equal, 1 different, or an error.

    Examples:
      fleetloop diff artifact oci://registry.example.com/org/apps:latest --path=./deploy
    """

    url: str = argument(usage="")
    path: str = flag("--path", help="the directory or file")
    login: LoginFlags = options(LoginFlags)
    insecurity: InsecureFlag = options(InsecureFlag)
    ignored: IgnoreFlag = options(IgnoreFlag)

    def check(self) -> None:
        if not self.url:
            raise UsageError("artifact URL is required")
        if not self.path or not Path(self.path).exists():
            raise UsageError(f"invalid path {quoted(self.path)}")
        reference_of(self.url)

    async def run(self, cx: Context) -> None:
        from fleetloop.oci import OciError
        from fleetloop.storage import UnsafeArchive

        reference = reference_of(self.url)
        keychain = await self.login.keychain(cx, reference.repository)
        with tempfile.TemporaryDirectory(prefix="fleetloop-diff-") as folder:
            archive = Path(folder, "layer")
            try:
                async with registry_for(keychain, insecure=self.insecurity.insecure) as registry:
                    await retried(lambda: fetch(registry, reference, archive))
                same = await asyncio.to_thread(self._is_equal, archive)
            except (OciError, UnsafeArchive, OSError) as error:
                raise CliError(str(error)) from None
        if not same:
            raise CliError("the remote artifact contents differs from the local one")
        cx.say.success("no changes detected")

    def _is_equal(self, remote: Path) -> bool:
        """⚠ CLI47: who compressed it, and how well, does not count: it is unpacked and packed again by us."""
        from fleetloop.storage.tarball import unpack_regular

        with packed(self.path, self.ignored.ignore_paths) as local:
            wanted = local.read_bytes()
            if wanted == remote.read_bytes():
                return True
            tree = remote.with_name("tree")
            tree.mkdir()
            unpack_regular(remote, tree)
            with packed(str(tree), ()) as again:
                return again.read_bytes() == wanted
