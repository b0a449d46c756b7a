"""`diff kustomization`: what a local directory would change in the cluster. Exit codes: 0 nothing, 1 something, 2 an error."""

import asyncio
import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from fleetloop.cli.columns import at
from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.diff_ignore import without_ignored
from fleetloop.cli.diff_objects import Comparison, Verdict, pruned
from fleetloop.cli.engines import engines_of
from fleetloop.cli.errors import CliError, Differs, UsageError, text_of
from fleetloop.cli.local_build import BuildFlags, Built, LocalBuild, kustomization_in, live_kustomization
from fleetloop.cli.subjects import BY_NAME
from fleetloop.kube.errors import ApiError, BadConnection, NotFound, Unreachable
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of, version_of

if TYPE_CHECKING:
    from fleetloop.kube import Kube

FAILED = 2


@dataclass(slots=True)
class Findings:
    """What to print, and what went wrong on the way."""

    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    differs: bool = False

    def add(self, verdict: Verdict | CliError) -> None:
        if isinstance(verdict, CliError):
            self.errors.append(str(verdict))
        elif verdict.action != "unchanged":
            self.lines.append(str(verdict))
            self.differs |= verdict.action != "skipped"

    def tell(self, cx: Context) -> None:
        """Raises CliError for errors, Differs for a change. ⚠ CLI34: what was found is printed, whatever else went wrong."""
        cx.write("".join(self.lines))
        if self.errors:
            several = ", ".join(self.errors)
            raise CliError(several if len(self.errors) == 1 else f"[{several}]", FAILED)
        if self.differs:
            raise Differs("identified at least one change, exiting with non-zero exit code")

    def include(self, nested: "Findings", ref: ObjectRef) -> None:
        if nested.lines:
            self.lines += [f"📁 {ref} changed\n", *nested.lines]
        self.errors += nested.errors
        self.differs |= nested.differs


@dataclass(frozen=True)
class DiffKustomization(Command):
    """Show what a local directory would change in the cluster.

    Values of Secrets are never shown. Exit codes: 0 no change, 1 at least one change, 2 an error.

    Examples:
      fleetloop diff kustomization apps --path=./apps
      fleetloop diff kustomization apps --path=./apps --recursive --local-sources=GitRepository/flux-system/flux-system=.
    """

    is_bounded: ClassVar[bool] = False  # by itself, for the exit code

    names_kind = "Kustomization"

    name: str = argument(usage="")
    flags: BuildFlags = options(BuildFlags)
    ignore_not_found: bool = flag("--ignore-not-found", help="a Kustomization that is not there counts as new")
    progress_bar: bool = flag("--progress-bar", default=True, help="accepted for compatibility; none is drawn")

    def check(self) -> None:
        """⚠ CLI33: not all of these have the exit code of errors."""
        if not self.name:
            raise UsageError("kustomization name is required")
        self.flags.check_path(FAILED)
        if self.ignore_not_found and not self.flags.kustomization_file:
            raise UsageError("kustomization file is required when assuming new kustomizations", FAILED)
        self.flags.check_file()

    async def run(self, cx: Context) -> None:
        try:
            await asyncio.to_thread(lambda: cx.connection)
        except (BadConnection, CliError) as error:
            raise CliError(str(error), FAILED) from None
        findings = Findings()
        async with cx.kube() as kube, engines_of(cx) as engines:
            await self._find(cx, LocalBuild(self.flags, engines, kube, cx.remaining()), kube, findings)
        findings.tell(cx)

    async def _find(self, cx: Context, local: LocalBuild, kube: "Kube", findings: Findings) -> None:
        from fleetloop.build import BuildError
        from fleetloop.engine import EngineMissing

        try:
            async with asyncio.timeout(cx.remaining()):
                kustomization = await self._kustomization(kube, cx.namespace)
                _refuse_remote(kustomization)
                await self._compare(local, kube, await local.build(kustomization, self.flags.directory), findings, frozenset())
        except TimeoutError:
            findings.errors.append("context deadline exceeded")
        except (BuildError, EngineMissing, CliError, ApiError, Unreachable) as error:
            findings.errors.append(text_of(error))

    async def _kustomization(self, kube: "Kube", namespace: str) -> Manifest:
        file = self.flags.kustomization_file
        given = kustomization_in(file, self.name, namespace) if file else None
        ref = ObjectRef(BY_NAME["Kustomization"].api_version, "Kustomization", namespace, self.name)
        try:
            return await live_kustomization(kube, ref, given)
        except NotFound as error:
            if given and self.ignore_not_found:
                return given
            raise CliError(f"failed to get kustomization object: {error}") from None

    async def _compare(
        self, local: LocalBuild, kube: "Kube", built: Built, findings: Findings, above: frozenset[ObjectRef]
    ) -> None:
        spec = built.kustomization["spec"]
        strip = functools.partial(without_ignored, rules=spec.get("ignore") or ())
        for verdict in await Comparison(kube, built.objects, strip, bool(spec.get("force"))).verdicts():
            findings.add(verdict)
        if spec.get("prune") and not findings.errors:
            async for deleted in pruned(kube, built.kustomization, built.objects):
                findings.add(deleted)
        if self.flags.recursive:
            above |= {ref_of(built.kustomization)}
            async for child in local.nested(built, above):
                await self._enter(local, kube, child, findings, above)

    async def _enter(
        self, local: LocalBuild, kube: "Kube", child: Manifest, findings: Findings, above: frozenset[ObjectRef]
    ) -> None:
        """A nested Kustomization, as the cluster has it; a new one has nothing to be compared with."""
        if not version_of(child):
            return
        if at(child, "spec", "kubeConfig"):
            findings.lines.append(f"⚠️ {ref_of(child)} skipped: diff not supported for remote clusters\n")
            return
        from fleetloop.build import BuildError

        nested = Findings()
        try:
            await self._compare(local, kube, await local.build(child, local.directory_of(child)), nested, above)
        except (BuildError, CliError) as error:
            nested.errors.append(str(error))
        findings.include(nested, ref_of(child))


def _refuse_remote(kustomization: Manifest) -> None:
    if at(kustomization, "spec", "kubeConfig"):
        raise CliError(f"{ref_of(kustomization)}: diff not supported for remote clusters")
