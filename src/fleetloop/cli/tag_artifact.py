"""`tag artifact`: give an artifact of a registry more tags."""

from dataclasses import dataclass

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.registry_access import LoginFlags, reference_of, registry_for, retried


@dataclass(frozen=True)
class TagArtifact(Command):
    """Give an artifact of a registry more tags.

    Examples:
      fleetloop tag artifact oci://registry.example.com/org/apps:latest --tag=1.0.0 --tag=production
    """

    name: str = argument(usage="")
    tag: tuple[str, ...] = flag("--tag", help="a tag to add; comma separated or repeated")
    login: LoginFlags = options(LoginFlags)

    def check(self) -> None:
        if not self.name:
            raise UsageError("artifact name is required")
        if not self.tag:
            raise UsageError("--tag is required")
        reference_of(self.name)

    async def run(self, cx: Context) -> None:
        from fleetloop.oci import OciError

        reference = reference_of(self.name)
        repository = reference.repository
        keychain = await self.login.keychain(cx, repository)
        cx.say.action("tagging artifact")
        try:
            wanted = [repository.tagged(tag) for tag in self.tag]
            async with registry_for(keychain) as registry:
                manifest = await retried(lambda: registry.manifest(reference))
                for tagged in wanted:
                    await registry.push_manifest(tagged, manifest.raw, manifest.media_type)
                    cx.say.success(f"artifact tagged as {tagged}")
        except OciError as error:
            raise CliError(f"tagging artifact failed: {error}") from None
