"""What a pass' end means to readers."""

import datetime

import pytest

from fleetloop.api.kustomize import KustomizationStatus
from fleetloop.api.meta import Status
from fleetloop.runtime import settle as settling
from fleetloop.runtime.conditions import mark, merged
from fleetloop.runtime.outcome import Done, Failure, Outcome, Retry, Waiting
from fleetloop.runtime.status import merge_patch

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=datetime.UTC)
LATER = NOW + datetime.timedelta(minutes=1)


class Denied(Failure):
    reason, retry = "AccessDenied", Retry.NEVER


class BuildFailed(Failure):
    reason = "BuildFailed"


def progressing() -> Status:
    status = KustomizationStatus()
    settling.begin(status, "Building manifests", generation=2, now=NOW)
    return status


def words(status: Status) -> list[tuple[str, str, str]]:
    return [(c.type, c.status, c.reason) for c in status.conditions]


@pytest.mark.parametrize(
    ("result", "expected", "observed"),
    [
        (Done(60, message="Applied revision: a"), [("Ready", "True", "ReconciliationSucceeded")], 2),
        (
            BuildFailed("no such file"),
            [("Reconciling", "True", "ProgressingWithRetry"), ("Ready", "False", "BuildFailed")],
            0,
        ),  # SK21: observedGeneration stays
        (Denied("tenant b"), [("Stalled", "True", "AccessDenied"), ("Ready", "False", "AccessDenied")], 2),
        (
            Waiting("t", frozenset(), 30, "Running health checks"),
            [("Reconciling", "True", "Progressing"), ("Ready", "Unknown", "Progressing")],
            0,
        ),
    ],
)
def test_settle_sk21(result: Outcome | Failure, expected: list[tuple[str, str, str]], observed: int) -> None:
    """SK21: settle."""
    status = progressing()
    settling.settle(status, result, generation=2, now=NOW)
    assert words(status) == expected
    assert status.observed_generation == observed


def test_a_failed_tick_says_that_it_goes_on() -> None:
    """Interval ticks persist no progress, so there is no Reconciling to rename."""
    status = KustomizationStatus()
    settling.settle(status, BuildFailed("x"), generation=1, now=NOW)
    assert words(status) == [("Reconciling", "True", "ProgressingWithRetry"), ("Ready", "False", "BuildFailed")]


def test_the_time_moves_only_when_something_changes() -> None:
    status = KustomizationStatus()
    for moment, message, since in ((NOW, "a", NOW), (LATER, "a", NOW), (LATER, "b", LATER)):
        mark(status, "Ready", "True", "Succeeded", message, generation=1, now=moment)
        assert status.conditions[0].last_transition_time == since.replace(microsecond=0)


def test_long_messages_are_cut() -> None:
    status = KustomizationStatus()
    mark(status, "Ready", "False", "X", "x" * 40000, generation=1, now=NOW)
    assert len(status.conditions[0].message) == 32768
    assert status.conditions[0].message.endswith("...")


def test_conditions_of_others_survive() -> None:
    live, draft = KustomizationStatus(), KustomizationStatus()
    mark(live, "Foreign", "True", "X", "theirs", generation=1, now=NOW)
    mark(live, "Ready", "False", "Old", "ours, old", generation=1, now=NOW)
    mark(draft, "Ready", "True", "New", "ours", generation=2, now=NOW)
    kept = merged(live, draft, frozenset({"Ready"}))
    assert [(c.type, c.reason) for c in kept] == [("Ready", "New"), ("Foreign", "X")]


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"b": 2}, {"a": None, "b": 2}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, {"a": {"y": None}}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
    ],
)
def test_merge_patch(before: dict[str, object], after: dict[str, object], patch: dict[str, object]) -> None:
    assert merge_patch(before, after) == patch
