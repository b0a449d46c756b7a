"""`push artifact`: put a directory or file of this machine into a registry."""

import asyncio
import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetloop.cli.artifact_files import IgnoreFlag, SymlinksFlag, check_path, packed
from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.files import stat_problem
from fleetloop.cli.goflags import STRING_ARRAY
from fleetloop.cli.output import formatted
from fleetloop.cli.registry_access import InsecureFlag, LoginFlags, reference_of, registry_for, retried, unverified

if TYPE_CHECKING:
    from fleetloop.oci import Reference, Registry

CREATED = "org.opencontainers.image.created"
SOURCE = "org.opencontainers.image.source"
REVISION = "org.opencontainers.image.revision"
EPOCH = "1970-01-01T00:00:00Z"
CONFIG = b'{"architecture":"","created":"0001-01-01T00:00:00Z","os":"","rootfs":{"type":"layers","diff_ids":null},"config":{}}'


@dataclass(frozen=True)
class PushArtifact(Command):
    """Push a directory, a file, or stdin (-) to a registry, for an OCIRepository to follow.

    Examples:
      fleetloop push artifact oci://registry.example.com/org/apps:latest --path=./deploy
        --source="$(git config --get remote.origin.url)" --revision="main@sha1:$(git rev-parse HEAD)"
    """

    url: str = argument(usage="")
    path: str = flag("--path", "-f", help="the directory or file, or - for stdin")
    source: str = flag("--source", help="where the content comes from, as in the address of its Git repository")
    revision: str = flag("--revision", help="which revision of it this is, as in main@sha1:COMMIT")
    annotations: tuple[str, ...] = flag("--annotations", "-a", type=STRING_ARRAY, help="more annotations, as in key=value")
    output: str = flag("--output", "-o", help="print what was pushed as json or yaml")
    reproducible: bool = flag("--reproducible", help="equal content has the same digest whenever it is pushed")
    debug: bool = flag("--debug", help="accepted for compatibility; nothing more is printed")
    login: LoginFlags = options(LoginFlags)
    insecurity: InsecureFlag = options(InsecureFlag)
    ignored: IgnoreFlag = options(IgnoreFlag)
    links: SymlinksFlag = options(SymlinksFlag)

    def check(self) -> None:
        if not self.url:
            raise UsageError("artifact URL is required")
        if not self.source:
            raise UsageError("--source is required")
        if not self.revision:
            raise UsageError("--revision is required")
        if not self.path:
            raise UsageError('invalid path ""')
        reference = reference_of(self.url)
        try:
            check_path(self.path)
        except UsageError as error:
            raise UsageError(f"{error}: {stat_problem(self.path)}") from None
        self._annotations()
        if reference.digest:
            raise UsageError(f"artifact tag parsing failed: '{self.url}' names a digest, which only the content can make")

    async def run(self, cx: Context) -> None:
        from fleetloop.oci import OciError

        reference, insecure = reference_of(self.url), self.insecurity.insecure
        keychain = await self.login.keychain(cx, reference.repository)
        packing = packed(self.path, self.ignored.ignore_paths, resolve=self.links.resolve_symlinks)
        archive = await asyncio.to_thread(packing.__enter__)
        try:
            if not self.output:
                cx.say.action(f"pushing artifact to {reference}")
            layer = await asyncio.to_thread(archive.read_bytes)
            async with registry_for(keychain, insecure=insecure, tls=unverified() if insecure else None) as registry:
                digest = await retried(lambda: _push(registry, reference, layer, self._annotations()))
        except OciError as error:
            raise CliError(f"pushing artifact failed: {error}") from None
        finally:
            packing.__exit__(None, None, None)
        self._tell(cx, reference, digest)

    def _annotations(self) -> dict[str, str]:
        """Given ones win. ⚠ CLI46: the time of reproducible ones is UTC everywhere. Raises UsageError."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = {CREATED: EPOCH if self.reproducible else now, SOURCE: self.source, REVISION: self.revision}
        for text in self.annotations:
            key, equals, value = text.partition("=")
            if not equals or "=" in value:
                raise UsageError(f"invalid annotation {text}, must be in the format key=value")
            found[key] = value
        return found

    def _tell(self, cx: Context, reference: "Reference", digest: str) -> None:
        name = f"{reference.repository}@{digest}"
        if self.output in {"json", "yaml"}:
            made = {
                "url": f"oci://{name}",
                "repository": str(reference.repository),
                "tag": reference.tag,
                "digest": digest,
            }
            cx.write(formatted(made, self.output))
        else:
            cx.say.success(f"artifact successfully pushed to {name}")


async def _push(registry: "Registry", reference: "Reference", layer: bytes, annotations: dict[str, str]) -> str:
    """The artifact's digest. Raises OciError."""
    from fleetloop.oci import pushed_manifest
    from fleetloop.oci.content import FLUX_CONFIG, FLUX_CONTENT, OCI_MANIFEST

    digest, size = await registry.push_blob(reference.repository, layer)
    await registry.push_blob(reference.repository, CONFIG)
    raw = pushed_manifest(CONFIG, [(FLUX_CONTENT, digest, size)], dict(sorted(annotations.items())), FLUX_CONFIG)
    return await registry.push_manifest(reference, raw, OCI_MANIFEST)
