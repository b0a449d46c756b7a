"""`pull artifact`: unpack an artifact of a registry into a directory."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.files import stat_problem
from fleetloop.cli.goflags import quoted
from fleetloop.cli.push_artifact import REVISION, SOURCE
from fleetloop.cli.registry_access import SCHEME, InsecureFlag, LoginFlags, reference_of, registry_for, retried

if TYPE_CHECKING:
    from fleetloop.oci import Manifest, Reference, Registry

GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class PullArtifact(Command):
    """Pull an artifact from a registry and unpack it. Files that are there already are replaced, others kept.

    Examples:
      fleetloop pull artifact oci://registry.example.com/org/apps:latest --output=./apps
    """

    url: str = argument(usage="")
    output: str = flag("--output", "-o", help="the directory to unpack into, which must exist")
    login: LoginFlags = options(LoginFlags)
    insecurity: InsecureFlag = options(InsecureFlag)

    def check(self) -> None:
        if not self.url:
            raise UsageError("artifact URL is required")
        if not self.output:
            raise UsageError("output path cannot be empty")
        if not Path(self.output).is_dir():
            problem = stat_problem(self.output) or "it is no directory"
            raise UsageError(f"invalid output path {quoted(self.output)}: {problem}")
        reference_of(self.url)

    async def run(self, cx: Context) -> None:
        from fleetloop.oci import OciError
        from fleetloop.storage import UnsafeArchive
        from fleetloop.storage.tarball import unpack_regular

        reference = reference_of(self.url)
        keychain = await self.login.keychain(cx, reference.repository)
        cx.say.action(f"pulling artifact from {self.url.removeprefix(SCHEME)}")
        with tempfile.TemporaryDirectory(prefix="fleetloop-pull-") as folder:
            archive = Path(folder, "layer")
            try:
                async with registry_for(keychain, insecure=self.insecurity.insecure) as registry:
                    manifest = await retried(lambda: fetch(registry, reference, archive))
                await asyncio.to_thread(unpack_regular, archive, Path(self.output))
            except (OciError, UnsafeArchive, OSError) as error:
                raise CliError(f"pulling artifact failed: {error}") from None
        if source := manifest.annotations.get(SOURCE):
            cx.say.success(f"source {source}")
        if revision := manifest.annotations.get(REVISION):
            cx.say.success(f"revision {revision}")
        cx.say.success(f"digest {reference.repository}@{manifest.digest}")
        cx.say.success(f"artifact content extracted to {self.output}")


async def fetch(registry: "Registry", reference: "Reference", archive: Path) -> "Manifest":
    """Writes the first layer, which must be a gzip archive. Raises OciError, OSError."""
    from fleetloop.oci import ContentMismatch

    manifest = await registry.image(reference)
    if not manifest.layers:
        raise ContentMismatch(f"{reference} has no layers")
    layer = manifest.layers[0]
    with archive.open("w+b") as out:
        await registry.blob(reference.repository, layer.digest, out, layer.size)
        out.seek(0)
        if out.read(len(GZIP)) != GZIP:
            raise ContentMismatch(f"the first layer of {reference} is no gzip archive, but {layer.media_type}")
    return manifest
