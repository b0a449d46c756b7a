"""From a GitRepository's spec to a commit: which reference is meant, what opens the server, what is there, and the tree.

Flux: source-kustomize.md 3.1, 3.2.
"""

import asyncio
import base64
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fleetloop import git
from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.source import GitReference, GitRepository
from fleetloop.auth import InvalidSecret, git_access, has_github_app, proxy_access
from fleetloop.controllers.source.failures import FetchFailed, FetchRefused
from fleetloop.engine import EngineError, EngineGone, EngineMissing
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.kube.objects import ObjectRef

T = TypeVar("T")
# The tags that are versions in a range, highest first. Raises EngineError for a bad range.
SelectVersions = Callable[[str, Sequence[str]], Awaitable[Sequence[str]]]
_NO_REFERENCE = GitReference(branch="master")
_CHECKOUT = "failed to checkout and determine revision"


class SecretUnavailable(Exception):
    """A Secret is not there or may not be read."""


@dataclass(frozen=True, slots=True)
class GitCheckout:
    """Git for the GitRepositories of one controller."""

    kube: Kube
    program: git.Git
    select_versions: SelectVersions

    async def remote_of(self, repo: GitRepository) -> "Remote":
        """The server side of an object, with credentials read now. Raises FetchFailed, FetchRefused."""
        spec = repo.spec
        try:
            url = git.GitUrl.parse(spec.url, self.program.protocols)
        except git.InvalidUrl as error:
            raise FetchRefused(reasons.URL_INVALID, str(error)) from error
        credentials = await self._credentials(repo, url)
        if spec.proxy_secret_ref:
            data = await self._secret(repo.namespace, spec.proxy_secret_ref.name)
            try:
                proxy = git.Proxy(**dataclasses.asdict(proxy_access(data)))
            except InvalidSecret as error:
                name = _secret_name(repo, spec.proxy_secret_ref.name)
                message = f"failed to configure proxy options: invalid proxy secret '{name}': {error}"
                raise FetchFailed(reasons.AUTHENTICATION_FAILED, message) from error
            credentials = dataclasses.replace(credentials, proxy=proxy)
        return Remote(url, credentials, seconds_of(spec.timeout), self.program, self.select_versions)

    async def _credentials(self, repo: GitRepository, url: git.GitUrl) -> git.Credentials:
        spec, provider = repo.spec, repo.spec.provider or "generic"
        if provider == "github" and not spec.secret_ref:
            message = "secretRef with github app data must be specified when provider is set to github"
            raise FetchRefused(reasons.INVALID_PROVIDER_CONFIGURATION, message)
        data = await self._secret(repo.namespace, spec.secret_ref.name) if spec.secret_ref else {}
        if provider != "github" and has_github_app(data):
            name = _secret_name(repo, spec.secret_ref.name if spec.secret_ref else "")
            message = f"secretRef '{name}' has github app data but provider is not set to github"
            raise FetchFailed(reasons.INVALID_PROVIDER_CONFIGURATION, message)
        if provider != "generic":
            message = f"failed to configure authentication options: spec.provider '{provider}' is not available in this version"
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, message)
        try:
            return git.Credentials(**dataclasses.asdict(git_access(data, url.scheme, bool(url.username))))
        except InvalidSecret as error:
            message = f"failed to configure authentication options: {error}"
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, message) from error

    async def secret(self, namespace: str, name: str) -> dict[str, bytes]:
        """Read at every pass: a rotated credential counts from the next one on. Raises SecretUnavailable."""
        try:
            found = await self.kube.get(ObjectRef("v1", "Secret", namespace, name))
        except (ApiError, Unreachable) as error:
            raise SecretUnavailable(f"failed to get secret '{namespace}/{name}': {error}") from error
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}

    async def _secret(self, namespace: str, name: str) -> dict[str, bytes]:
        try:
            return await self.secret(namespace, name)
        except SecretUnavailable as error:
            raise FetchFailed(reasons.AUTHENTICATION_FAILED, str(error)) from error


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
                moved = await git.moved_to(self.url, self.credentials)
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


def _secret_name(repo: GitRepository, name: str) -> str:
    return f"{repo.namespace}/{name}"
