"""From a GitRepository's spec to a commit: which reference is meant, what is there, and the tree.

Flux: source-kustomize.md 3.1.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fleetloop import git
from fleetloop.access.git_access import AccessFailed, AccessRefused, GitAccess
from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.source import GitReference, GitRepository
from fleetloop.controllers.source.failures import FetchFailed, FetchRefused
from fleetloop.engine import EngineError, EngineGone, EngineMissing

T = TypeVar("T")
# The tags that are versions in a range, highest first. Raises EngineError for a bad range.
SelectVersions = Callable[[str, Sequence[str]], Awaitable[Sequence[str]]]
_NO_REFERENCE = GitReference(branch="master")
_CHECKOUT = "failed to checkout and determine revision"


@dataclass(frozen=True, slots=True)
class GitCheckout:
    """Git for the GitRepositories of one controller."""

    access: GitAccess
    program: git.Git
    select_versions: SelectVersions

    async def remote_of(self, repo: GitRepository) -> "Remote":
        """The server side of an object, with credentials read now. Raises FetchFailed, FetchRefused."""
        try:
            url = git.GitUrl.parse(repo.spec.url, self.program.protocols)
        except git.InvalidUrl as error:
            raise FetchRefused(reasons.URL_INVALID, str(error)) from error
        try:
            credentials = await self.access.credentials(repo, url)
        except AccessRefused as error:
            raise FetchRefused(error.reason, str(error)) from error
        except AccessFailed as error:
            raise FetchFailed(error.reason, str(error)) from error
        return Remote(url, credentials, seconds_of(repo.spec.timeout), self.program, self.select_versions)


@dataclass(frozen=True, slots=True)
class Remote:
    """One repository, reachable. `timeout`: seconds for a listing or a clone."""

    url: git.GitUrl
    credentials: git.Credentials
    timeout: float
    program: git.Git
    select_versions: SelectVersions

    async def resolve(self, ref: GitReference | None) -> tuple[git.Reference, str]:
        """What is wanted, and the revision the server has of it now, without fetching anything. Raises FetchFailed."""
        try:
            return await self._resolve(ref or _NO_REFERENCE)
        except git.ReferenceNotFound as error:
            raise FetchFailed(reasons.GIT_OPERATION_FAILED, f"{_CHECKOUT}: unable to clone '{self.url}': {error}") from error
        except git.GitError as error:
            raise _failure(error) from error

    async def fetch(self, reference: git.Reference, repo: GitRepository, into: Path) -> git.Commit:
        """The tree in `into`. Raises FetchFailed."""
        sparse = tuple(sparse_directories(repo))
        options = git.FetchOptions(repo.spec.recurse_submodules, sparse)
        try:
            return await self._follow(
                lambda url: git.fetch(
                    url, reference, into, self.credentials, options=options, timeout=self.timeout, git=self.program
                )
            )
        except git.SparsePathMissing as error:
            message = f"failed to sparse checkout directories : {error}"
            raise FetchFailed(reasons.GIT_OPERATION_FAILED, message) from error
        except git.GitError as error:
            raise _failure(error) from error

    async def _resolve(self, ref: GitReference) -> tuple[git.Reference, str]:
        """SK7: commit, name, tag, semver, branch, in this order."""
        if ref.commit:
            reference = git.commit(ref.commit, ref.branch)
            return reference, reference.revision(ref.commit)
        if ref.name:
            reference = git.named(ref.name)
        elif ref.tag:
            reference = git.tag(ref.tag)
        elif ref.semver:
            return await self._newest_tag(ref.semver)
        else:
            reference = git.branch(ref.branch or "master")
        refs = await self._list(reference.wildcard()) or await self._list(())
        return reference, reference.revision(reference.find(refs))

    async def _newest_tag(self, wanted: str) -> tuple[git.Reference, str]:
        refs = await self._list(())
        if not refs:
            raise git.EmptyRepository("git repository is empty")
        try:
            matches = await self.select_versions(wanted, git.tags_of(refs))
        except (EngineError, EngineGone, EngineMissing) as error:
            raise git.GitError(str(error)) from error
        if not matches:
            raise git.GitError(f"no match found for semver: {wanted}")
        highest = [git.tag(name) for name in matches if _precedence(name) == _precedence(matches[0])]
        reference = highest[0] if len(highest) == 1 else await self._youngest(highest)
        return reference, reference.revision(reference.find(refs))

    async def _youngest(self, references: Sequence[git.Reference]) -> git.Reference:
        return await self._follow(
            lambda url: git.newest_of(url, references, self.credentials, timeout=self.timeout, git=self.program)
        )

    async def _list(self, patterns: tuple[str, ...]) -> dict[str, str]:
        return await self._follow(
            lambda url: git.list_refs(url, self.credentials, patterns=patterns, timeout=self.timeout, git=self.program)
        )

    async def _follow(self, operation: Callable[[git.GitUrl], Awaitable[T]]) -> T:
        """Once more at the new address where a repository was renamed on its own server."""
        try:
            return await operation(self.url)
        except git.Redirected:
            async with asyncio.timeout(self.timeout):
                moved = await git.moved_to(self.url, self.credentials, git=self.program)
            if moved is None:
                raise
            return await operation(moved)


def sparse_directories(repo: GitRepository) -> list[str]:
    """As Git wants them: no leading `./`, no slash at the end. Raises FetchFailed for one that leads out."""
    found = []
    for directory in repo.spec.sparse_checkout:
        plain = directory.removeprefix("./").strip("/")
        if not plain.isprintable() or plain.startswith("-") or {"..", "."} & set(plain.split("/")):
            message = (
                f"failed to sparse checkout directories : spec.sparseCheckout '{directory[:200]}' leads out of the repository"
            )
            raise FetchFailed(reasons.GIT_OPERATION_FAILED, message)
        if plain:
            found.append(plain)
    return found


def _failure(error: git.GitError) -> FetchFailed:
    if isinstance(error, git.EmptyRepository):
        return FetchFailed(reasons.EMPTY_GIT_REPOSITORY, str(error))
    return FetchFailed(reasons.GIT_OPERATION_FAILED, f"{_CHECKOUT}: {error}")


def _precedence(version: str) -> str:
    """What of a version counts in a comparison: not its build metadata."""
    return version.removeprefix("v").partition("+")[0]
