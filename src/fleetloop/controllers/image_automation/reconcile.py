"""ImageUpdateAutomation: one pass from what policies selected to a commit. Flux: helm-notification-image.md 5.

Everything is derived from the repository as it is now, so a pass may end anywhere and the next one continues. A branch is never
overwritten but in switch-branch mode, and there only while it is where it was when the pass began.
"""

import asyncio
import datetime
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from fleetloop import git
from fleetloop.access.git_access import GitAccess
from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.image import ImagePolicy, ImageRef, ImageUpdateAutomation, ImageUpdateAutomationStatus
from fleetloop.api.kinds import kind_named
from fleetloop.api.meta import Status
from fleetloop.api.source import GitRepository
from fleetloop.controllers.image_automation.branches import Branches, branches_of
from fleetloop.controllers.image_automation.commit_message import Render, message_of
from fleetloop.controllers.image_automation.failures import AccessDenied, GitOperationFailed, SourceManagerFailed
from fleetloop.controllers.image_automation.files import Update, update
from fleetloop.controllers.image_automation.proposals import Proposal, proposal_of
from fleetloop.controllers.image_automation.remote import Head, Remote, SelectVersions, remote_of
from fleetloop.controllers.image_automation.selection import selected
from fleetloop.controllers.image_automation.settings import (
    ALL_BRANCHES,
    FORCE_PUSH,
    SHALLOW_CLONE,
    SPARSE_CHECKOUT,
    AutomationSettings,
)
from fleetloop.controllers.image_automation.signing_key import signer_of
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.kube.objects import ObjectRef
from fleetloop.removal import remove_tree
from fleetloop.runtime import settle as settling
from fleetloop.runtime.controller import Report
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.log import logger
from fleetloop.runtime.outcome import Done, Failure, Outcome

UP_TO_DATE = "repository up-to-date"
_SHOWN_FILES = 20  # in one event


class Policies(Protocol):
    """Those of all namespaces, as last seen."""

    async def all(self) -> Sequence[ImagePolicy]: ...


@dataclass(slots=True)
class ImageUpdateAutomationReconciler:
    kube: Kube
    settings: AutomationSettings
    access: GitAccess
    program: git.Git
    policies: Policies
    select_versions: SelectVersions
    render: Render
    now: Callable[[], datetime.datetime]
    owned_conditions: frozenset[str] = frozenset({reasons.READY, reasons.RECONCILING, reasons.STALLED})

    async def reconcile(self, obj: ImageUpdateAutomation, draft: Status, report: Report) -> Outcome:
        """Raises Failure."""
        status = cast(ImageUpdateAutomationStatus, draft)
        status.last_automation_run_time = self.now().replace(microsecond=0)
        return await AutomationPass(self, obj, status, report).run()

    async def finalize(self, obj: ImageUpdateAutomation, report: Report) -> None:
        """Commits stay."""

    def settle(self, obj: ImageUpdateAutomation, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        settling.settle(draft, result, generation=obj.metadata.generation, now=now)

    def suspended(self, obj: ImageUpdateAutomation, draft: Status) -> None:
        """Nothing but lastHandledReconcileAt."""


class AutomationPass:
    """The steps of one pass over one object."""

    def __init__(
        self,
        tools: ImageUpdateAutomationReconciler,
        automation: ImageUpdateAutomation,
        draft: ImageUpdateAutomationStatus,
        report: Report,
    ) -> None:
        self._tools, self._automation, self._draft, self._report = tools, automation, draft, report

    async def run(self) -> Outcome:
        tools, automation, draft = self._tools, self._automation, self._draft
        source = await self._source()
        branches = branches_of(automation, source)
        images = selected(await self._policies(), automation)
        remote = await remote_of(source, tools.access, tools.program, tools.select_versions)
        remote, base, push_at = await remote.heads(branches.checkout, branches.push)
        if self._is_current(branches, images, base):
            self._report.event("Trace", reasons.SUCCEEDED, "no change since last reconciliation")
            return self._done()
        proposal = proposal_of(automation, branches, remote)
        start = await self._start(branches, base, push_at, proposal)
        pushed = await self._update(remote, branches, images, start, push_at)
        draft.observed_policies = images
        draft.observed_source_revision = pushed.revision if pushed and not branches.switches else base.revision
        if pushed is None or not pushed.is_news:
            self._report.event("Trace", reasons.SUCCEEDED, UP_TO_DATE)
        else:
            draft.last_push_commit, draft.last_push_time = pushed.sha, tools.now().replace(microsecond=0)
        if proposal:
            await self._propose(proposal, pushed, start)
        return self._done(_told(pushed, branches) if pushed and pushed.is_news else "")

    async def _start(self, branches: Branches, base: Head, push_at: str, proposal: Proposal | None) -> "Start":
        """HN19: a push branch that is there is built upon, but for one that is ours alone."""
        own = Start(base)
        if not branches.switches or not push_at:
            return own
        theirs = Start(Head(branches.push, push_at))
        if proposal is None:
            return theirs if self._tools.settings.gate(ALL_BRANCHES) else own
        beyond, spec = await proposal.beyond(), self._automation.spec.git
        return theirs if spec and beyond.authors - {spec.commit.author.email} else Start(base, beyond.last)

    async def _propose(self, proposal: Proposal, pushed: "Pushed | None", start: "Start") -> None:
        """A pull request for what is on the branch; none when the checkout branch has it all."""
        if pushed:
            happened = await proposal.keep(pushed.sha, pushed.message)
        elif start.head.reference.shown == proposal.request.base:
            happened = await proposal.close()
        else:
            return
        if happened:
            logger().info(f"pull request {happened}")
            self._report.event("Normal", reasons.SUCCEEDED, f"pull request {happened}")

    async def _policies(self) -> Sequence[ImagePolicy]:
        """Raises SourceManagerFailed."""
        try:
            return await self._tools.policies.all()
        except TimeoutError as error:
            raise SourceManagerFailed("the image policies could not be listed yet") from error

    def _is_current(self, branches: Branches, images: dict[str, ImageRef], base: Head) -> bool:
        """Whether neither policies nor repository nor spec have changed since the last success."""
        draft = self._draft
        return (
            not branches.switches
            and not branches.refspec
            and draft.observed_generation == self._automation.metadata.generation
            and draft.observed_policies == images
            and draft.observed_source_revision == base.revision
        )

    async def _update(
        self, remote: Remote, branches: Branches, images: dict[str, ImageRef], start: "Start", push_at: str
    ) -> "Pushed | None":
        """None when there was nothing to push."""
        tools, automation = self._tools, self._automation
        spec = automation.spec.git
        assert spec is not None  # branches_of has seen it
        signer = await signer_of(tools.kube, automation)
        async with _work_folder() as tree:
            await remote.check_out(start.head, tree, branches.push.shown, self._checkout_options())
            changes = await self._set_images(tree, images)
            if not changes.changes:
                return None
            try:
                message = await message_of(automation, changes.changes, tools.render)
                author = git.Person(spec.commit.author.name, spec.commit.author.email)
                async with asyncio.timeout(remote.timeout):
                    sha = await git.commit_all(tree, message, author, signer, git=tools.program)
            except TimeoutError as error:
                raise GitOperationFailed(f"failed to update source: no commit within {remote.timeout:g}s") from error
            except (ValueError, git.GitError) as error:
                raise GitOperationFailed(f"failed to update source: {error}") from error
            if sha is None:
                return None
            if start.pushed and await git.head_content(tree, git=tools.program) == start.pushed:
                return Pushed(branches.push, push_at, message, is_news=False)
            await self._push(remote, branches, tree, push_at)
        return Pushed(branches.push, sha, message)

    def _checkout_options(self) -> git.CheckoutOptions:
        gate, path = self._tools.settings.gate, self._automation.spec.update.path
        directory = path.removeprefix("./").strip("/") if gate(SPARSE_CHECKOUT) else ""
        return git.CheckoutOptions(gate(SHALLOW_CLONE), directory)

    async def _set_images(self, tree: Path, images: dict[str, ImageRef]) -> Update:
        """Marked files that are left as they are, are told of: nobody would see it otherwise."""
        automation = self._automation
        of_namespace = {(automation.namespace, name): image for name, image in images.items()}
        found = await asyncio.to_thread(update, tree, automation.spec.update.path, of_namespace)
        if found.left_alone:
            shown = list(found.left_alone[:_SHOWN_FILES])
            more = len(found.left_alone) - len(shown)
            text = "\n".join([*shown, *([f"and {more} more"] if more else [])])
            logger().info("marked files were left as they are", files=shown)
            self._report.event("Trace", reasons.SUCCEEDED, f"marked files were left as they are:\n{text}")
        return found

    async def _push(self, remote: Remote, branches: Branches, tree: Path, push_at: str) -> None:
        """The branch first, then the refspec. HN19: overwriting is for switch-branch mode."""
        spec = self._automation.spec.git
        options = dict(spec.push.options) if spec and spec.push else {}
        may_force = branches.switches and self._tools.settings.gate(FORCE_PUSH)
        leases = {branches.push.ref: push_at} if may_force else {}
        await remote.push(tree, f"HEAD:{branches.push.ref}", git.PushOptions(options, leases))
        if branches.refspec:
            await remote.push(tree, branches.refspec, git.PushOptions(options, forced=may_force))

    async def _source(self) -> GitRepository:
        """Raises AccessDenied, SourceManagerFailed."""
        automation, ref = self._automation, self._automation.spec.source_ref
        namespace = ref.namespace or automation.namespace
        if namespace != automation.namespace and self._tools.settings.common.no_cross_namespace_refs:
            raise AccessDenied(
                f"can't access 'GitRepository/{namespace}/{ref.name}', cross-namespace references have been blocked"
            )
        try:
            kind = kind_named("GitRepository")
            found = await self._tools.kube.get(ObjectRef(kind.api_version, kind.kind, namespace, ref.name))
            return decoded(GitRepository, found)
        except (ApiError, Unreachable, ValueError) as error:
            raise SourceManagerFailed(f"failed to get source 'GitRepository/{namespace}/{ref.name}': {error}") from error

    def _done(self, event: str = "") -> Done:
        return Done(
            after=seconds_of(self._automation.spec.interval),
            reason=reasons.SUCCEEDED,
            message=UP_TO_DATE,
            event=event,
            is_news=bool(event),
        )


@dataclass(frozen=True, slots=True)
class Start:
    """What updates are made on. `pushed`: tree and parents of what the push branch, made anew, has now."""

    head: Head
    pushed: bytes = b""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A commit on its branch. Not `is_news`: it was there already."""

    branch: git.Reference
    sha: str
    message: str
    is_news: bool = True

    @property
    def revision(self) -> str:
        return self.branch.revision(self.sha)


def _told(pushed: Pushed, branches: Branches) -> str:
    refspec = f" and refspecs '{branches.refspec}'" if branches.refspec else ""
    return f"pushed commit '{pushed.sha[:7]}' to branch '{pushed.branch.shown}'{refspec}\n{pushed.message}"


@asynccontextmanager
async def _work_folder() -> AsyncIterator[Path]:
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="image-update-"))
    try:
        yield folder
    finally:
        await asyncio.to_thread(remove_tree, folder)
