"""GitRepository: one pass from the object to its artifact.

Ready is not written here: steps leave facts, `summary` computes. Flux: source-kustomize.md 1.1, 3.
"""

import asyncio
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

from fleetloop import git
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.meta import Artifact, Key, Status
from fleetloop.api.source import GitInclude, GitRepository, GitRepositoryStatus
from fleetloop.controllers.source.artifact import Storage, work_folder
from fleetloop.controllers.source.failures import SourceFailure, VerificationFailed
from fleetloop.controllers.source.git_checkout import GitCheckout
from fleetloop.controllers.source.git_include import copy_includes, included_artifacts
from fleetloop.controllers.source.git_verify import check_mode, is_covered, mode_of, verify
from fleetloop.controllers.source.source_pass import SourcePass, SourceReconciler
from fleetloop.kube.client import Kube
from fleetloop.runtime.controller import Report
from fleetloop.runtime.outcome import Outcome
from fleetloop.storage.ignore import SourceIgnoreError, read_rules
from fleetloop.storage.tarball import write_tarball

_LONGEST_SUBJECT = 50


class GitRepositoryReconciler(SourceReconciler[GitRepository]):
    def __init__(
        self,
        storage: Storage,
        now: Callable[[], datetime.datetime],
        kube: Kube,
        checkout: GitCheckout,
        requeue_dependency: float,
        temp: Path | None = None,
    ) -> None:
        """`requeue_dependency`: seconds until an unavailable include is looked at again. `temp`: where trees are made."""
        super().__init__(storage, now)
        self.kube, self.checkout, self.requeue_dependency, self.temp = kube, checkout, requeue_dependency, temp

    async def reconcile(self, obj: GitRepository, draft: Status, report: Report) -> Outcome:
        """Raises SourceFailure."""
        return await _Pass(self, obj, cast(GitRepositoryStatus, draft), report).run()


class _Pass(SourcePass):
    """The steps of one pass over one object."""

    def __init__(self, tools: GitRepositoryReconciler, obj: GitRepository, draft: GitRepositoryStatus, report: Report) -> None:
        super().__init__(tools, obj, draft, report)  # type: ignore[arg-type]  # a reconciler of one kind of Object
        self._tools, self._repo, self._status = tools, obj, draft

    async def run(self) -> Outcome:
        repo = self._repo
        if repo.spec.verify is None:
            self._status.source_verification_mode = None
            self.clear(reasons.SOURCE_VERIFIED)
        await self.begin()
        check_mode(repo)
        remote = await self._tools.checkout.remote_of(repo)
        reference, revision = await remote.resolve(repo.spec.ref)
        self.clear(reasons.FETCH_FAILED)  # it would hide an include that is not there
        includes = await self._find_includes()
        if self._is_current(revision, includes):
            return self._done(revision, subject=revision)
        async with work_folder(self._tools.temp) as folder:
            tree = folder / "tree"  # includes are unpacked beside it
            commit = await remote.fetch(reference, repo, tree)
            self.clear(reasons.INCLUDE_UNAVAILABLE)
            await self._announce(commit.revision)
            await self._verify(commit)
            if not self._is_current(commit.revision, includes):
                await self._archive(tree, commit, includes)
        self._observe(includes)
        return self._done(commit.revision, subject_of(commit))

    async def _find_includes(self) -> tuple[Artifact, ...]:
        found = await included_artifacts(self._repo, self._tools.kube, self._tools.requeue_dependency)
        if self.artifact and not same_artifacts(found, self._status.included_artifacts):
            message = "included artifacts differ from last observed includes"
            self.mark(reasons.ARTIFACT_OUTDATED, reasons.INCLUDE_CHANGE, message)
        return found

    def _is_current(self, revision: str, includes: tuple[Artifact, ...]) -> bool:
        """SK8, SK3: whether the artifact is of this revision and made as the spec wants it; nobody asks for its digest."""
        status = self._status
        if not is_covered(mode_of(self._repo), status.source_verification_mode):
            return False
        same = recipe_of(self._repo) == last_recipe(status) and same_artifacts(includes, status.included_artifacts)
        return self.is_stored(revision) and same

    async def _announce(self, revision: str) -> None:
        """A revision is new by its name alone: other includes or rules outdate no more than they change."""
        if self.artifact is None or self.artifact.revision != revision:
            await self.announce(revision, f"new upstream revision '{revision}'")

    async def _verify(self, commit: git.Commit) -> None:
        status, spec, mode = self._status, self._repo.spec, mode_of(self._repo)
        if spec.verify is None or mode is None:
            return
        status.source_verification_mode = None  # until it has succeeded
        try:
            keys = await read_secret(self._tools.kube, self._repo.namespace, spec.verify.secret_ref.name)
        except SecretUnavailable as error:
            raise VerificationFailed(reasons.VERIFICATION_ERROR, f"public keys secret error: {error}") from error
        message = await asyncio.to_thread(verify, commit, mode, keys)
        status.source_verification_mode = mode
        self.mark(reasons.SOURCE_VERIFIED, reasons.SUCCEEDED, message)

    async def _archive(self, tree: Path, commit: git.Commit, includes: tuple[Artifact, ...]) -> None:
        repo, storage = self._repo, self.storage
        if includes:
            archives = [
                storage.file_of(Key(repo.kind, repo.namespace, include.repository.name), artifact)
                for include, artifact in zip(repo.spec.include, includes, strict=True)
            ]
            await asyncio.to_thread(copy_includes, repo.spec.include, archives, tree)
        try:
            rules = await asyncio.to_thread(read_rules, tree, repo.spec.ignore)
        except SourceIgnoreError as error:
            raise SourceFailure(reasons.SOURCE_IGNORE_ERROR, f"failed to load source ignore patterns: {error}") from error
        name = f"{commit.sha}.tar.gz"
        self.artifact = await storage.write(repo, name, commit.revision, lambda out: write_tarball(tree, out, rules))

    def _observe(self, includes: tuple[Artifact, ...]) -> None:
        status, made_with = self._status, recipe_of(self._repo)
        status.observed_ignore, status.observed_recurse_submodules = made_with.ignore, made_with.submodules
        status.observed_sparse_checkout, status.observed_include = made_with.sparse, made_with.include
        status.included_artifacts = includes

    def _done(self, revision: str, subject: str) -> Outcome:
        self.clear(reasons.INCLUDE_UNAVAILABLE)
        self.stored(f"stored artifact for revision '{revision}'")
        return self.done(seconds_of(self._repo.spec.interval), f"stored artifact for commit '{subject}'")


class Recipe(NamedTuple):
    """What besides the revision decides the content of an artifact."""

    ignore: str | None
    submodules: bool
    sparse: tuple[str, ...]
    include: tuple[GitInclude, ...]


def recipe_of(repo: GitRepository) -> Recipe:
    spec = repo.spec
    return Recipe(spec.ignore, spec.recurse_submodules, spec.sparse_checkout, spec.include)


def last_recipe(status: GitRepositoryStatus) -> Recipe:
    """What the last artifact was made with."""
    submodules, sparse = status.observed_recurse_submodules, status.observed_sparse_checkout
    return Recipe(status.observed_ignore, submodules, sparse, status.observed_include)


def same_artifacts(some: tuple[Artifact, ...], others: tuple[Artifact, ...]) -> bool:
    """By what they hold, not where they are served."""
    return [(a.revision, a.digest) for a in some] == [(a.revision, a.digest) for a in others]


def subject_of(commit: git.Commit) -> str:
    """The commit's first line, cut for an event."""
    subject = commit.subject
    return subject if len(subject) <= _LONGEST_SUBJECT else subject[:_LONGEST_SUBJECT] + "..."
