"""`list artifacts`: the tags of a repository in a registry, with what their artifacts say of themselves."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.engines import engines_of
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.push_artifact import REVISION, SOURCE
from fleetloop.cli.registry_access import InsecureFlag, LoginFlags, bare, registry_for, retried
from fleetloop.cli.table import table
from fleetloop.task_group import TaskGroup

if TYPE_CHECKING:
    from fleetloop.oci import Registry, Repository

AT_A_TIME = 8
_SELECT_TIMEOUT = 30.0  # seconds
_SIGNATURES = (".sig", ".att", ".sbom")
_HEADERS = ("artifact", "digest", "source", "revision")


@dataclass(frozen=True)
class ListArtifacts(Command):
    """List the artifacts of a repository in a registry, the last tag by name first.

    Examples:
      fleetloop list artifacts oci://registry.example.com/org/apps --filter-semver=">=1.0.0"
    """

    url: str = argument(usage="")
    filter_semver: str = flag("--filter-semver", help="only tags that are versions in this range")
    filter_regex: str = flag("--filter-regex", help="only tags that match")
    login: LoginFlags = options(LoginFlags)
    insecurity: InsecureFlag = options(InsecureFlag)

    def check(self) -> None:
        if not self.url:
            raise UsageError("artifact repository URL is required")
        bare(self.url)

    async def run(self, cx: Context) -> None:
        from fleetloop.oci import InvalidReference, OciError, Repository

        try:
            repository = Repository.parse(bare(self.url))
        except InvalidReference as error:
            raise UsageError(f"listing tags failed: {error}") from None
        keychain = await self.login.keychain(cx, repository)
        async with registry_for(keychain, insecure=self.insecurity.insecure) as registry:
            try:
                tags = await retried(lambda: registry.tags(repository))
            except OciError as error:
                raise CliError(f"listing tags failed: {error}") from None
            rows = await _rows(registry, repository, await self._wanted(cx, tags))
        cx.write(table(_HEADERS, rows))

    async def _wanted(self, cx: Context, tags: Sequence[str]) -> list[str]:
        """Raises CliError."""
        found = [tag for tag in tags if not tag.endswith(_SIGNATURES)]
        if self.filter_semver:
            found = await _in_range(cx, self.filter_semver, found)
        if self.filter_regex:
            try:
                expression = re.compile(self.filter_regex)
            except re.error as error:
                raise CliError(f"regex '{self.filter_regex}' parse error: {error}") from None
            found = [tag for tag in found if expression.search(tag)]
        return sorted(found, reverse=True)


async def _in_range(cx: Context, wanted: str, tags: list[str]) -> list[str]:
    """Raises CliError."""
    from fleetloop.engine import EngineError, EngineGone, Family

    async with engines_of(cx) as engines:
        try:
            answer = await engines.call_surely(
                Family.BUILD, "semver.select", _SELECT_TIMEOUT, range=wanted, versions=tags, parse="lenient"
            )
        except (EngineError, EngineGone) as error:
            raise CliError(f"semver '{wanted}' parse error: {error}") from None
    return [str(tag) for tag in answer["matches"]]


async def _rows(registry: "Registry", repository: "Repository", tags: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Raises CliError."""
    from fleetloop.oci import OciError

    slots = asyncio.Semaphore(AT_A_TIME)

    async def row(tag: str) -> tuple[str, str, str, str]:
        reference = repository.tagged(tag)
        try:
            async with slots:
                manifest = await retried(lambda: registry.manifest(reference))
        except OciError as error:
            raise CliError(f"fetching manifest failed: {error}") from None
        said = manifest.annotations
        return str(reference), manifest.digest, said.get(SOURCE, ""), said.get(REVISION, "")

    async with TaskGroup() as group:
        tasks = [group.create_task(row(tag)) for tag in tags]
    return [task.result() for task in tasks]
