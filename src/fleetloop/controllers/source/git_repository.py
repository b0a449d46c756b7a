"""GitRepository: one pass from the object to its artifact.

Ready is not written here: steps leave facts, `summary` computes. Flux: source-kustomize.md 1.1, 3.
"""

import asyncio
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from fleetloop import git
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api import names, reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.meta import Artifact, Status
from fleetloop.api.source import GitInclude, GitRepository, GitRepositoryStatus
from fleetloop.controllers.source.artifact import Storage, work_folder
from fleetloop.controllers.source.failures import SourceFailure, VerificationFailed
from fleetloop.controllers.source.git_checkout import GitCheckout
from fleetloop.controllers.source.git_include import copy_includes, included_artifacts
from fleetloop.controllers.source.git_verify import check_mode, is_covered, mode_of, verify
from fleetloop.controllers.source.summary import IN_PROGRESS, OWNED, begin, has_failed, summarize
from fleetloop.kube.client import Kube
from fleetloop.runtime.conditions import mark, remove
from fleetloop.runtime.controller import Report
from fleetloop.runtime.outcome import Done, Failure, Outcome
from fleetloop.storage.ignore import SourceIgnoreError, read_rules
from fleetloop.storage.tarball import write_tarball

_LONGEST_SUBJECT = 50


@dataclass(slots=True)
class GitRepositoryReconciler:
    """`requeue_dependency`: seconds until an unavailable include is looked at again. `temp`: where trees are made."""

    kube: Kube
    storage: Storage
    checkout: GitCheckout
    requeue_dependency: float
    now: Callable[[], datetime.datetime]
    temp: Path | None = None
    owned_conditions: frozenset[str] = OWNED

    async def reconcile(self, obj: GitRepository, draft: Status, report: Report) -> Outcome:
        """Raises SourceFailure."""
        run = GitPass(self, obj, cast(GitRepositoryStatus, draft), report)
        return await run.run()

    async def finalize(self, obj: GitRepository, report: Report) -> None:
        await self.storage.remove(obj)

    def settle(self, obj: GitRepository, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        summarize(draft, result, generation=obj.metadata.generation, now=now)

    def suspended(self, obj: GitRepository, draft: Status) -> None:
        draft.observed_generation = obj.metadata.generation


class GitPass:
    """The steps of one pass over one object."""

    def __init__(self, tools: GitRepositoryReconciler, repo: GitRepository, draft: GitRepositoryStatus, report: Report) -> None:
        self._tools, self._repo, self._draft, self._report = tools, repo, draft, report
        self._digest_before = draft.artifact.digest if draft.artifact else ""
        self._had_failed = has_failed(draft)

    async def run(self) -> Outcome:
        repo = self._repo
        await self._begin()
        check_mode(repo)
        remote = await self._tools.checkout.remote_of(repo)
        reference, revision = await remote.resolve(repo.spec.ref)
        includes = await self._find_includes()
        if self._is_current(revision, includes):
            self._fetched()
            self._stored(revision)
            return self._done(revision)
        async with work_folder(self._tools.temp) as folder:
            tree = folder / "tree"  # includes are unpacked beside it
            commit = await remote.fetch(reference, repo, tree)
            self._fetched()
            await self._announce(commit.revision)
            await self._verify(commit)
            if not self._is_current(commit.revision, includes):
                await self._archive(tree, commit, includes)
        self._observe(includes)
        self._stored(commit.revision)
        return self._done(subject_of(commit))

    async def _begin(self) -> None:
        """Tells of a pass that somebody may wait for, and clears away what no longer holds."""
        repo, draft = self._repo, self._draft
        if repo.spec.verify is None:
            draft.source_verification_mode = None
            remove(draft, reasons.SOURCE_VERIFIED)
        had_artifact = draft.artifact is not None
        draft.artifact = await self._tools.storage.check(repo, draft.artifact, self._report)
        if draft.artifact is None:
            remove(draft, reasons.ARTIFACT_IN_STORAGE)
            self._mark_begun("building artifact" + ": disappeared from storage" * had_artifact, drift=True)
            await self._report.progress()
            return
        observed, generation = draft.observed_generation, repo.metadata.generation
        requested = repo.metadata.annotations.get(names.REQUESTED_AT, "")
        if observed != generation:
            self._mark_begun(f"processing object: new generation {observed} -> {generation}", drift=False)
            await self._report.progress()
        elif requested not in {"", draft.last_handled_reconcile_at}:
            self._mark_begun(IN_PROGRESS, drift=False)
            await self._report.progress()

    async def _find_includes(self) -> tuple[Artifact, ...]:
        draft = self._draft
        found = await included_artifacts(self._repo, self._tools.kube, self._tools.requeue_dependency)
        if draft.artifact and not same_artifacts(found, draft.included_artifacts):
            message = "included artifacts differ from last observed includes"
            self._mark(reasons.ARTIFACT_OUTDATED, reasons.INCLUDE_CHANGE, message)
        return found

    def _is_current(self, revision: str, includes: tuple[Artifact, ...]) -> bool:
        """SK8, SK3: whether the artifact is of this revision and made as the spec wants it; nobody asks for its digest."""
        artifact, draft = self._draft.artifact, self._draft
        stored = artifact is not None and artifact.revision == revision and draft.is_true(reasons.ARTIFACT_IN_STORAGE)
        if not is_covered(mode_of(self._repo), draft.source_verification_mode):
            return False
        return stored and recipe_of(self._repo) == last_recipe(draft) and same_artifacts(includes, draft.included_artifacts)

    def _fetched(self) -> None:
        remove(self._draft, reasons.FETCH_FAILED, reasons.INCLUDE_UNAVAILABLE)

    async def _announce(self, revision: str) -> None:
        """A new revision is worth a request before the work on it starts: what is served is outdated now."""
        artifact = self._draft.artifact
        if artifact is not None and artifact.revision == revision:
            return
        message = f"new upstream revision '{revision}'"
        if artifact is not None:
            self._mark(reasons.ARTIFACT_OUTDATED, reasons.NEW_REVISION, message)
        self._mark_begun(f"building artifact: {message}", drift=True)
        await self._report.progress()

    async def _verify(self, commit: git.Commit) -> None:
        draft, spec, mode = self._draft, self._repo.spec, mode_of(self._repo)
        if spec.verify is None or mode is None:
            return
        draft.source_verification_mode = None  # until it has succeeded
        try:
            keys = await read_secret(self._tools.kube, self._repo.namespace, spec.verify.secret_ref.name)
        except SecretUnavailable as error:
            raise VerificationFailed(reasons.VERIFICATION_ERROR, f"public keys secret error: {error}") from error
        message = await asyncio.to_thread(verify, commit, mode, keys)
        draft.source_verification_mode = mode
        self._mark(reasons.SOURCE_VERIFIED, reasons.SUCCEEDED, message)

    async def _archive(self, tree: Path, commit: git.Commit, includes: tuple[Artifact, ...]) -> None:
        repo, storage = self._repo, self._tools.storage
        if includes:
            archives = [storage.file_of(artifact) for artifact in includes]
            await asyncio.to_thread(copy_includes, repo.spec.include, archives, tree)
        try:
            rules = await asyncio.to_thread(read_rules, tree, repo.spec.ignore)
        except SourceIgnoreError as error:
            raise SourceFailure(reasons.SOURCE_IGNORE_ERROR, f"failed to load source ignore patterns: {error}") from error
        name = f"{commit.sha}.tar.gz"
        self._draft.artifact = await storage.write(repo, name, commit.revision, lambda out: write_tarball(tree, out, rules))

    def _observe(self, includes: tuple[Artifact, ...]) -> None:
        draft = self._draft
        made_with = recipe_of(self._repo)
        draft.observed_ignore, draft.observed_recurse_submodules = made_with.ignore, made_with.submodules
        draft.observed_sparse_checkout, draft.observed_include = made_with.sparse, made_with.include
        draft.included_artifacts = includes

    def _stored(self, revision: str) -> None:
        remove(self._draft, reasons.ARTIFACT_OUTDATED, reasons.STORAGE_OPERATION_FAILED)
        message = f"stored artifact for revision '{revision}'"
        self._mark(reasons.ARTIFACT_IN_STORAGE, reasons.SUCCEEDED, message)

    def _done(self, subject: str) -> Done:
        """The event tells of new content, or of the end of a failure."""
        artifact = self._draft.artifact
        assert artifact is not None  # every way here went through the store
        reason = reasons.NEW_ARTIFACT if artifact.digest != self._digest_before else reasons.SUCCEEDED
        is_news = reason == reasons.NEW_ARTIFACT or self._had_failed
        return Done(
            after=seconds_of(self._repo.spec.interval),
            reason=reason,
            event=f"stored artifact for commit '{subject}'" if is_news else "",
            event_metadata=(("revision", artifact.revision), ("digest", artifact.digest)),
            is_news=is_news,
        )

    def _mark_begun(self, message: str, *, drift: bool) -> None:
        begin(self._draft, message, drift=drift, generation=self._repo.metadata.generation, now=self._tools.now())

    def _mark(self, type: str, reason: str, message: str) -> None:
        mark(self._draft, type, "True", reason, message, generation=self._repo.metadata.generation, now=self._tools.now())


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
