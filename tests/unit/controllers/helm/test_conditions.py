"""Conditions of a HelmRelease: helm-notification-image.md 2.8, 2.5."""

import datetime
from typing import Any

import pytest

from fleetloop.api.helm import HelmRelease
from fleetloop.controllers.helm import conditions
from fleetloop.controllers.helm.failures import (
    ActionFailed,
    DependencyNotReady,
    MoreToDo,
    RetriesExceeded,
    RetryLater,
    Superseded,
    ValuesError,
)
from fleetloop.runtime.outcome import Done, Failure, Outcome
from tests.unit.controllers.helm.releases import NOW, release

LATER = NOW + datetime.timedelta(hours=1)


def condition(type: str, status: str, reason: str, generation: int = 2) -> dict[str, Any]:
    stamp = NOW.isoformat()
    message = f"{reason} said"
    found = {"type": type, "status": status, "reason": reason, "message": message, "lastTransitionTime": stamp}
    return found | {"observedGeneration": generation}


RELEASED = condition("Released", "True", "UpgradeSucceeded")
FAILED = condition("Released", "False", "UpgradeFailed")
TESTED = condition("TestSuccess", "False", "TestFailed")
ROLLED_BACK = condition("Remediated", "True", "RollbackSucceeded")
TESTS = {"enable": True}


def settled(result: Outcome | Failure, *found: dict[str, Any], **spec: Any) -> tuple[HelmRelease, dict[str, tuple[str, str]]]:
    obj = release({"conditions": list(found), "observedGeneration": 1}, **spec)
    conditions.settle(obj.status, obj, result, LATER)
    return obj, {one.type: (one.status, one.reason) for one in obj.status.conditions}


@pytest.mark.parametrize(
    ("found", "spec", "ready"),
    [
        ([RELEASED], {}, ("True", "UpgradeSucceeded")),
        ([RELEASED, TESTED], {"test": TESTS}, ("False", "TestFailed")),
        ([RELEASED, TESTED], {}, ("True", "UpgradeSucceeded")),  # tests are off: TestSuccess goes
        ([RELEASED, TESTED], {"test": TESTS | {"ignoreFailures": True}}, ("True", "UpgradeSucceeded")),
        (  # the action's own ignoreTestFailures does not hide them
            [RELEASED, TESTED],
            {"test": TESTS, "upgrade": {"remediation": {"ignoreTestFailures": True}}},
            ("False", "TestFailed"),
        ),
        ([FAILED, ROLLED_BACK], {}, ("False", "RollbackSucceeded")),  # not ready though it is there
        ([RELEASED, condition("Remediated", "True", "RollbackSucceeded", 1)], {}, ("True", "UpgradeSucceeded")),
    ],
)
def test_ready_is_the_strongest(found: list[dict[str, Any]], spec: dict[str, Any], ready: tuple[str, str]) -> None:
    _, seen = settled(Done(after=1), *found, **spec)
    assert seen["Ready"] == ready


def test_done_ends_reconciling_and_stalled() -> None:
    obj, seen = settled(Done(after=1), RELEASED, condition("Reconciling", "True", "Progressing"))
    assert obj.status.observed_generation == 2
    assert "Reconciling" not in seen
    assert "Stalled" not in seen


@pytest.mark.parametrize(
    ("result", "ready", "other", "observed"),
    [
        (RetriesExceeded("Failed to upgrade after 1 attempt(s)"), "UpgradeFailed", ("Stalled", "RetriesExceeded"), 2),
        (RetryLater("retrying after 5m0s", after=300), "UpgradeFailed", ("Reconciling", "ProgressingWithRetry"), 2),
        (ActionFailed("UpgradeFailed", "x"), "UpgradeFailed", ("Reconciling", "ProgressingWithRetry"), 1),
        (MoreToDo("x"), "UpgradeFailed", ("Reconciling", "ProgressingWithRetry"), 1),
        (Superseded("x"), "HealthCheckCanceled", ("Reconciling", "ProgressingWithRetry"), 1),
        (ValuesError("x"), "ValuesError", ("Reconciling", "ProgressingWithRetry"), 1),
        (DependencyNotReady("x", after=30), "DependencyNotReady", ("Reconciling", "ProgressingWithRetry"), 1),
    ],
)
def test_failures(result: Failure, ready: str, other: tuple[str, str], observed: int) -> None:
    """HN6, HN7, HN8: what is terminal, what is tried again at once, what in its time."""
    obj, seen = settled(result, FAILED)
    assert seen["Ready"] == ("False", ready)
    assert seen[other[0]] == ("True", other[1])
    assert obj.status.observed_generation == observed


def test_a_remediation_becomes_a_release_and_keeps_its_time() -> None:
    obj = release({"conditions": [FAILED, ROLLED_BACK]})
    conditions.recovered(obj.status, obj, "as wanted", LATER)
    (released,) = obj.status.conditions
    assert (released.type, released.status, released.reason) == ("Released", "True", "UpgradeSucceeded")
    assert released.last_transition_time == NOW


def test_a_failure_that_others_mended() -> None:
    obj = release({"conditions": [condition("Released", "False", "InstallFailed")], "lastAttemptedReleaseAction": "install"})
    conditions.recovered(obj.status, obj, "as wanted", LATER)
    assert [(c.status, c.reason) for c in obj.status.conditions] == [("True", "InstallSucceeded")]


def test_failed_prerequisites_are_forgotten_and_failed_releases_not() -> None:
    for reason, left in (("ValuesError", "Progressing"), ("SourceNotReady", "Progressing"), ("UpgradeFailed", "UpgradeFailed")):
        obj = release({"conditions": [condition("Ready", "False", reason)]})
        conditions.forget_prerequisite_failures(obj.status, obj, LATER)
        assert [c.reason for c in obj.status.conditions] == [left]
