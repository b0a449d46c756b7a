"""Which failures of a HelmRelease people are told of, and whose next try is jittered: helm-notification-image.md 1.4, 2.15."""

import pytest

from fleetloop.controllers.helm import failures
from fleetloop.controllers.helm.loop import retry_later
from fleetloop.runtime.outcome import Failure


@pytest.mark.parametrize(
    ("failure", "severity"),
    [
        (failures.AccessDenied("x"), "Warning"),
        (failures.ValuesError("x"), "Warning"),
        (failures.ArtifactFailed("x"), "Warning"),
        (failures.DependencyNotReady("x"), "Normal"),
        (failures.SourceMissing("x"), None),
        (failures.SourceNotReady("x"), None),
        (failures.ChartMutateError("x"), None),
        (failures.ConnectionFailed("x"), None),
        (failures.DescriptionMissing("x"), None),
        (failures.StateError("x"), None),
        (failures.ActionFailed("InstallFailed", "x"), None),
    ],
)
def test_few_are_events(failure: Failure, severity: str | None) -> None:
    assert failure.severity == severity


def test_jittered_as_intervals_are() -> None:
    """Dependencies are looked at every 30 seconds, a source that is not ready about every 30; so are retries."""
    assert failures.SourceNotReady("x", after=30).is_jittered
    assert retry_later(60).is_jittered
    assert not failures.DependencyNotReady("x", after=30).is_jittered
    assert not failures.ArtifactMissing("x", after=30).is_jittered
