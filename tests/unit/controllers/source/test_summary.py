"""SK1: Ready of a source is computed from the facts its pass leaves (source-kustomize.md 1.1)."""

import datetime

import pytest

from fleetloop.api.source import GitRepositoryStatus
from fleetloop.controllers.source.failures import (
    FetchFailed,
    FetchRefused,
    IncludeUnavailable,
    SourceFailure,
    StorageOperationFailed,
    VerificationFailed,
)
from fleetloop.controllers.source.summary import begin, has_failed, summarize
from fleetloop.runtime.conditions import mark
from fleetloop.runtime.outcome import Done, Failure, Outcome

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
STORED = ("ArtifactInStorage", "True", "Succeeded", "stored artifact for revision 'main@sha1:a'")
READY = ("Ready", "True", "Succeeded", "stored artifact for revision 'main@sha1:a'")
FAILED = "failed to checkout and determine revision: no"
Row = tuple[str, str, str, str]


def status_of(*facts: Row, begun: str = "") -> GitRepositoryStatus:
    status = GitRepositoryStatus(observed_generation=-1)
    for fact in facts:
        mark(status, *fact, generation=1, now=NOW)
    if begun:
        begin(status, begun, drift=True, generation=2, now=NOW)
    return status


def rows(status: GitRepositoryStatus) -> list[Row]:
    return [(c.type, c.status, c.reason, c.message) for c in status.conditions]


@pytest.mark.parametrize(
    ("status", "result", "expected", "observed"),
    [
        (status_of(STORED), Done(60), [READY, STORED], 2),
        (status_of(STORED, begun="x"), Done(60), [READY, STORED], 2),
        (
            status_of(begun="building artifact"),
            FetchFailed("GitOperationFailed", FAILED),
            [
                ("Reconciling", "True", "ProgressingWithRetry", "building artifact"),
                ("Ready", "False", "GitOperationFailed", FAILED),
                ("FetchFailed", "True", "GitOperationFailed", FAILED),
            ],
            -1,
        ),
        (  # still usable, not ready
            status_of(STORED, READY),
            FetchFailed("GitOperationFailed", FAILED),
            [
                ("Reconciling", "True", "ProgressingWithRetry", "reconciliation in progress"),
                ("Ready", "False", "GitOperationFailed", FAILED),
                ("FetchFailed", "True", "GitOperationFailed", FAILED),
                STORED,
            ],
            -1,
        ),
        (
            status_of(STORED, begun="x"),
            FetchRefused("URLInvalid", "bad"),
            [
                ("Stalled", "True", "URLInvalid", "bad"),
                ("Ready", "False", "URLInvalid", "bad"),
                ("FetchFailed", "True", "URLInvalid", "bad"),
                STORED,
            ],
            2,
        ),
        (  # the first in order wins
            status_of(("FetchFailed", "True", "GitOperationFailed", FAILED), ("ArtifactOutdated", "True", "NewRevision", "new")),
            StorageOperationFailed("ArchiveOperationFailed", "full"),
            [
                ("Reconciling", "True", "ProgressingWithRetry", "reconciliation in progress"),
                ("Ready", "False", "ArchiveOperationFailed", "full"),
                ("StorageOperationFailed", "True", "ArchiveOperationFailed", "full"),
                ("ArtifactOutdated", "True", "NewRevision", "new"),
                ("FetchFailed", "True", "GitOperationFailed", FAILED),
            ],
            -1,
        ),
        (
            status_of(STORED),
            IncludeUnavailable("NoArtifact", "none", after=30),
            [
                ("Reconciling", "True", "ProgressingWithRetry", "reconciliation in progress"),
                ("Ready", "False", "NoArtifact", "none"),
                ("IncludeUnavailable", "True", "NoArtifact", "none"),
                STORED,
            ],
            -1,
        ),
        (  # a failure that leaves no fact still makes it unready
            status_of(STORED),
            SourceFailure("SourceIgnoreError", "unreadable"),
            [
                ("Reconciling", "True", "ProgressingWithRetry", "reconciliation in progress"),
                ("Ready", "False", "SourceIgnoreError", "unreadable"),
                STORED,
            ],
            -1,
        ),
        (  # an unverified source is unready for that reason, whatever else is wrong
            status_of(STORED, ("ArtifactOutdated", "True", "NewRevision", "new")),
            VerificationFailed("InvalidCommitSignature", "forged"),
            [
                ("Reconciling", "True", "ProgressingWithRetry", "reconciliation in progress"),
                ("Ready", "False", "InvalidCommitSignature", "forged"),
                ("SourceVerified", "False", "InvalidCommitSignature", "forged"),
                ("ArtifactOutdated", "True", "NewRevision", "new"),
                STORED,
            ],
            -1,
        ),
    ],
)
def test_summarize(status: GitRepositoryStatus, result: Outcome | Failure, expected: list[Row], observed: int) -> None:
    """SK1: Ready is computed from facts, never set by the steps."""
    summarize(status, result, generation=2, now=NOW)
    assert sorted(rows(status)) == sorted(expected)
    assert rows(status)[: len([r for r in expected if r[0] in {"Stalled", "Reconciling"}]) + 1] == [
        row for row in expected if row[0] in {"Stalled", "Reconciling", "Ready"}
    ]
    assert status.observed_generation == observed


def test_begin_keeps_an_old_ready_unless_it_is_outdated() -> None:
    status = status_of(READY)
    begin(status, "processing object: new generation 1 -> 2", drift=False, generation=2, now=NOW)
    assert READY in rows(status)
    begin(status, "building artifact: new upstream revision 'x'", drift=True, generation=2, now=NOW)
    assert ("Ready", "Unknown", "Progressing", "building artifact: new upstream revision 'x'") in rows(status)


def test_what_a_recovery_is_announced_for() -> None:
    assert has_failed(status_of(("FetchFailed", "True", "GitOperationFailed", FAILED)))
    assert not has_failed(status_of(STORED, ("ArtifactOutdated", "True", "NewRevision", "new")))
