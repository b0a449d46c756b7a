"""The repository that is updated, as its server has it: references, a work tree, pushes. Flux: helm-notification-image.md 5.1.

Every failure names what was being done: "failed to checkout source" or "failed to update source".
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from fleetloop import git
from fleetloop.access.git_access import AccessFailed, AccessRefused, GitAccess
from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.source import GitReference, GitRepository
from fleetloop.controllers.image_automation.failures import (
    FeatureGateDisabled,
    GitOperationFailed,
    InvalidSourceConfiguration,
    SourceManagerFailed,
)

# (range, tags) -> those in range, highest first. Raises ValueError for a bad range.
SelectVersions = Callable[[str, Sequence[str]], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Head:
    """A reference, and the commit it was at."""

    reference: git.Reference
    sha: str

    @property
    def revision(self) -> str:
        return self.reference.revision(self.sha)


@dataclass(frozen=True, slots=True)
class Remote:
    """`timeout`: seconds of each operation."""

    url: git.GitUrl
    credentials: git.Credentials
    timeout: float
    program: git.Git
    select_versions: SelectVersions

    async def heads(self, ref: GitReference, push: git.Reference) -> tuple[Self, Head, str]:
        """This, at the address it was found at; what is wanted; and the commit of the push branch, "" when it is not there.

        Raises GitOperationFailed.
        """
        with _doing("checkout"):
            try:
                return await self._heads(ref, push)
            except git.Redirected:
                moved = await self._moved()
                if moved is None:
                    raise
                return await moved._heads(ref, push)

    async def check_out(self, head: Head, into: Path, branch: str, options: git.CheckoutOptions) -> git.Commit:
        """Raises GitOperationFailed."""
        with _doing("checkout"):
            return await git.check_out(
                self.url,
                head.reference,
                into,
                branch,
                self.credentials,
                options=options,
                timeout=self.timeout,
                git=self.program,
            )

    async def push(self, tree: Path, refspec: str, options: git.PushOptions) -> None:
        """Raises GitOperationFailed."""
        with _doing("update"):
            await git.push_refs(
                tree, self.url, [refspec], self.credentials, options=options, timeout=self.timeout, git=self.program
            )

    async def _moved(self) -> Self | None:
        """Renamed on its own server."""
        try:
            async with asyncio.timeout(self.timeout):
                moved = await git.moved_to(self.url, self.credentials, git=self.program)
        except TimeoutError:
            raise git.GitTimeout(f"unable to list remote for '{self.url}': no answer within {self.timeout:g}s") from None
        return replace(self, url=moved) if moved else None

    async def _heads(self, ref: GitReference, push: git.Reference) -> tuple[Self, Head, str]:
        wanted = _named(ref)
        patterns = () if wanted is None else (*wanted.wildcard(), *push.wildcard())
        refs = await git.list_refs(self.url, self.credentials, patterns=patterns, timeout=self.timeout, git=self.program)
        reference = wanted or await self._newest_tag(ref.semver, refs)
        if reference.commit:
            return self, Head(reference, reference.commit), refs.get(push.ref, "")
        if not refs:
            refs = await git.list_refs(self.url, self.credentials, timeout=self.timeout, git=self.program)
        return self, Head(reference, reference.find(refs)), refs.get(push.ref, "")

    async def _newest_tag(self, wanted: str, refs: Mapping[str, str]) -> git.Reference:
        try:
            matches = await self.select_versions(wanted, git.tags_of(refs))
        except ValueError as error:
            raise git.InvalidReference(str(error)) from error
        if not matches:
            raise git.ReferenceNotFound(f"no match found for semver: {wanted}")
        return git.tag(matches[0])


def _named(ref: GitReference) -> git.Reference | None:
    """By commit, name, tag, semver, branch, in this order; None for a semver range."""
    if ref.commit:
        return git.commit(ref.commit, ref.branch)
    if ref.name:
        return git.named(ref.name)
    if ref.tag:
        return git.tag(ref.tag)
    return None if ref.semver else git.branch(ref.branch or "master")


@contextmanager
def _doing(what: str) -> Iterator[None]:
    """`what`: checkout or update."""
    try:
        yield
    except git.GitError as error:
        raise GitOperationFailed(f"failed to {what} source: {error}") from error


async def remote_of(source: GitRepository, access: GitAccess, program: git.Git, select_versions: SelectVersions) -> Remote:
    """With credentials read now. Raises SourceManagerFailed, InvalidSourceConfiguration, FeatureGateDisabled."""
    try:
        url = git.GitUrl.parse(source.spec.url, program.protocols)
        credentials = await access.credentials(source, url)
    except git.InvalidUrl as error:
        raise SourceManagerFailed(f"failed to configure the source: {error}") from error
    except AccessFailed as error:
        if error.reason == reasons.FEATURE_GATE_DISABLED:
            raise FeatureGateDisabled(str(error)) from error
        if isinstance(error, AccessRefused) or error.reason == reasons.INVALID_PROVIDER_CONFIGURATION:
            raise InvalidSourceConfiguration(f"invalid source configuration: {error}") from error
        raise SourceManagerFailed(str(error)) from error
    return Remote(url, credentials, seconds_of(source.spec.timeout), program, select_versions)
