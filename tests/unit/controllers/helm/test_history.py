"""status.history: what is kept of it, what counts as tested, and what can be rolled back to: helm-notification-image.md 2.9."""

from collections.abc import Iterable

from fleetloop.api.helm import Snapshot
from fleetloop.controllers.helm.history import (
    is_stored,
    previous,
    recorded,
    removed,
    snapshot_of,
    trimmed,
    was_tested,
    with_tests,
    written_over,
)
from tests.unit.controllers.helm.releases import snapshot, stored


def versions(history: Iterable[Snapshot]) -> list[int]:
    return [one.version for one in history]


def test_newest_first_and_each_version_once() -> None:
    history = recorded([snapshot(1)], snapshot(2))
    assert versions(recorded(history, snapshot(1, "superseded"))) == [2, 1]


def test_trimmed_to_what_a_rollback_needs() -> None:
    history = [snapshot(4, "failed"), snapshot(3, "failed"), snapshot(2, "superseded"), snapshot(1, "superseded")]
    assert versions(trimmed(history, ignore_tests=False)) == [4, 3, 2]
    assert versions(trimmed([snapshot(v, "failed") for v in range(9, 0, -1)], ignore_tests=False)) == [9, 8, 7, 6, 5]


def test_a_release_with_failed_tests_is_no_target() -> None:
    history = [snapshot(3, "failed"), snapshot(2, "superseded", tests={"t": "Failed"}), snapshot(1, "superseded")]
    assert previous(history, ignore_tests=False) == history[2]
    assert previous(history, ignore_tests=True) == history[1]
    assert previous(history[:1], ignore_tests=False) is None


def test_a_target_that_is_gone_or_other_is_none() -> None:
    assert is_stored(snapshot(1), [stored(2), stored(1)])
    assert not is_stored(snapshot(1), [stored(2)])
    assert not is_stored(snapshot(1), [stored(1, digest="sha256:x")])
    assert is_stored(snapshot(1, api_version="v1"), [stored(1, digest="sha256:x")])


def test_hooks_that_filters_leave_out_need_not_run() -> None:
    ran = stored(tests={"a": "Succeeded", "b": ""})
    assert not was_tested(with_tests(snapshot(), ran))
    assert was_tested(with_tests(snapshot(), ran, include=["a"]))
    assert was_tested(with_tests(snapshot(), ran, exclude=["b"]))
    assert was_tested(with_tests(snapshot(), stored()))
    assert not was_tested(snapshot())


def test_an_older_version_keeps_its_action_and_its_tests() -> None:
    old = snapshot(1, action="install", tests={"a": "Succeeded"})
    later = snapshot_of(stored(1, "superseded"), "", "", old)
    assert (later.action, later.status, later.test_hooks) == ("install", "superseded", old.test_hooks)
    assert removed(later, "uninstall-remediation").status == "uninstalled"


def test_what_is_stored_after_an_action_wrote_is_what_it_wrote_over_what_was_there() -> None:
    before = [stored(2), stored(1, "superseded")]
    after = written_over(before, [stored(3, "pending-upgrade"), stored(2, "superseded"), stored(3)])
    assert [(one.version, one.status) for one in after] == [(3, "deployed"), (2, "superseded"), (1, "superseded")]
