"""The state of a release, row by row of helm-notification-image.md 2.6."""

from typing import Any

import pytest

from fleetloop.controllers.helm.failures import StateError
from fleetloop.controllers.helm.state import State, World, state_of
from tests.unit.controllers.helm.releases import snapshot, stored


def world(**other: Any) -> World:
    fields: dict[str, Any] = {
        "stored": stored(),
        "newest": snapshot(),
        "chart_name": "web",
        "chart_version": "1.0.0",
        "config_digest": "sha256:c",
    }
    return World(**(fields | other))


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({}, State.IN_SYNC),
        ({"stored": None}, State.ABSENT),
        ({"stored": stored(status="pending-install")}, State.LOCKED),
        ({"stored": stored(status="pending-upgrade"), "newest": None}, State.LOCKED),
        ({"stored": stored(status="pending-rollback")}, State.LOCKED),
        ({"stored": stored(status="uninstalled"), "newest": None}, State.ABSENT),
        ({"newest": None}, State.UNMANAGED),
        ({"stored": stored(2)}, State.UNMANAGED),
        ({"stored": stored(digest="sha256:x")}, State.UNMANAGED),
        ({"stored": stored(2), "newest": snapshot(api_version="v1")}, State.IN_SYNC),  # HN10: other digests are not compared
        ({"stored": stored(status="failed")}, State.FAILED),
        ({"stored": stored(status="uninstalled")}, State.ABSENT),
        ({"chart_version": "1.0.1"}, State.OUT_OF_SYNC),
        ({"chart_name": "other"}, State.OUT_OF_SYNC),
        ({"config_digest": "sha256:d"}, State.OUT_OF_SYNC),
        ({"rendered_otherwise": True}, State.OUT_OF_SYNC),
        ({"tests": True}, State.UNTESTED),
        ({"tests": True, "newest": snapshot(tests={})}, State.IN_SYNC),
        ({"tests": True, "newest": snapshot(tests={"a": "Succeeded", "b": ""})}, State.UNTESTED),
        ({"tests": True, "newest": snapshot(tests={"a": "Succeeded"})}, State.IN_SYNC),
        ({"tests": True, "newest": snapshot(tests={"a": "Failed", "b": ""})}, State.FAILED),
        ({"tests": True, "newest": snapshot(tests={"a": "Failed"}), "ignore_test_failures": True}, State.IN_SYNC),
        ({"newest": snapshot(tests={"a": "Failed"})}, State.IN_SYNC),
    ],
)
def test_first_that_fits_hn10(given: dict[str, Any], state: State) -> None:
    assert state_of(world(**given)).state is state


@pytest.mark.parametrize("status", ["superseded", "uninstalling", "unknown"])
def test_other_statuses_are_nothing_to_act_on(status: str) -> None:
    with pytest.raises(StateError, match=f"release with status '{status}'"):
        state_of(world(stored=stored(status=status)))
