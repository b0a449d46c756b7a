"""From state to action: helm-notification-image.md 2.7, and how failures are counted and remedied."""

from typing import Any

import pytest

from fleetloop.controllers.helm.failures import NoRollbackTarget, RetriesExceeded
from fleetloop.controllers.helm.next_action import Action, Circumstances, next_action
from fleetloop.controllers.helm.remediation import Remediation, active_remediation, remediation_of, retry_interval
from fleetloop.controllers.helm.state import State
from tests.unit.controllers.helm.releases import release


def remedies(counter: int = 0, retries: int = 0, last: bool = False, remedy: Any = "rollback") -> Remediation:
    return Remediation(retries, counter, False, last, remedy)


def about(active: Remediation | None = None, **other: Any) -> Circumstances:
    fields: dict[str, Any] = {"install": remedies(remedy="uninstall"), "upgrade": remedies(), "active": active, "target": True}
    return Circumstances(**(fields | other))


EXHAUSTED = remedies(counter=1)
ONCE_MORE = remedies(counter=1, retries=1)


@pytest.mark.parametrize(
    ("state", "given", "action"),
    [
        (State.IN_SYNC, about(), None),
        (State.IN_SYNC, about(forced=True), Action.UPGRADE),
        (State.LOCKED, about(), Action.UNLOCK),
        (State.ABSENT, about(), Action.INSTALL),
        (State.ABSENT, about(install=EXHAUSTED, forced=True), Action.INSTALL),
        (State.UNMANAGED, about(upgrade=EXHAUSTED), Action.UPGRADE),
        (State.OUT_OF_SYNC, about(), Action.UPGRADE),
        (State.OUT_OF_SYNC, about(upgrade=EXHAUSTED, forced=True), Action.UPGRADE),
        (State.OUT_OF_SYNC, about(upgrade=remedies(99, retries=-1)), Action.UPGRADE),
        (State.DRIFTED, about(), None),
        (State.DRIFTED, about(corrects=True), Action.CORRECT),
        (State.UNTESTED, about(), Action.TEST),
        (State.FAILED, about(), Action.UPGRADE),
        (State.FAILED, about(remedies()), Action.UPGRADE),
        (State.FAILED, about(EXHAUSTED, forced=True), Action.UPGRADE),
        (State.FAILED, about(ONCE_MORE), Action.ROLLBACK),
        (State.FAILED, about(ONCE_MORE, target_is_stored=False), Action.UPGRADE),
        (State.FAILED, about(remedies(1, last=True)), Action.ROLLBACK),
        (State.FAILED, about(remedies(1, 1, remedy="uninstall"), target=False), Action.UNINSTALL),
    ],
)
def test_table(state: State, given: Circumstances, action: Action | None) -> None:
    assert next_action(state, given) is action


def test_hn8_retries_never_remedy() -> None:
    """HN8: whatever the counters say."""
    assert next_action(State.FAILED, about(EXHAUSTED, retries=True)) is Action.UPGRADE


@pytest.mark.parametrize(
    ("state", "given", "message"),
    [
        (State.ABSENT, about(install=EXHAUSTED), "Failed to install after 1 attempt(s)"),
        (State.OUT_OF_SYNC, about(upgrade=remedies(3, 2)), "Failed to upgrade after 3 attempt(s)"),
    ],
)
def test_hn6_exhausted_is_terminal(state: State, given: Circumstances, message: str) -> None:
    with pytest.raises(RetriesExceeded) as told:
        next_action(state, given)
    assert str(told.value) == message


def test_hn6_a_failure_without_retries_is_terminal() -> None:
    install, upgrade = remedies(1, remedy="uninstall"), remedies(1)
    with pytest.raises(RetriesExceeded, match="Failed to install"):
        next_action(State.FAILED, about(install, install=install))
    with pytest.raises(RetriesExceeded, match="Failed to upgrade"):
        next_action(State.FAILED, about(upgrade, upgrade=upgrade))


def test_nothing_to_roll_back_to() -> None:
    with pytest.raises(NoRollbackTarget):
        next_action(State.FAILED, about(ONCE_MORE, target=False))


def test_remediation_of_the_spec() -> None:
    """Unset fields follow the tests and the retries."""
    plain = release({"installFailures": 2, "upgradeFailures": 3})
    install, upgrade = (remediation_of(plain, plain.status, action) for action in ("install", "upgrade"))
    assert (install.counter, install.retries, install.remedy, install.remediate_last) == (2, 0, "uninstall", False)
    assert (upgrade.counter, upgrade.retries, upgrade.remedy, upgrade.remediate_last) == (3, 0, "rollback", False)
    assert install.is_exhausted
    wanted = release(
        test={"enable": True, "ignoreFailures": True},
        install={"remediation": {"retries": -1, "ignoreTestFailures": False}},
        upgrade={"remediation": {"retries": 2, "strategy": "uninstall"}},
    )
    install, upgrade = (remediation_of(wanted, wanted.status, action) for action in ("install", "upgrade"))
    assert not install.ignore_test_failures
    assert upgrade.ignore_test_failures
    assert upgrade.remediate_last
    assert upgrade.remedy == "uninstall"
    assert active_remediation(plain, plain.status) is None


def test_hn8_after_an_install_the_strategy_of_upgrades_counts() -> None:
    """HN8: the retried install is an upgrade, whose own strategy may be unset."""
    retrying = release(install={"strategy": {"name": "RetryOnFailure", "retryInterval": "7m"}})
    assert retry_interval(retrying, "install", by_default=False) == 420
    assert retry_interval(retrying, "upgrade", by_default=False) is None
    assert retry_interval(retrying, "upgrade", by_default=True) == 300
    assert retry_interval(retrying, None, by_default=True) is None
    remedied = release(install={"strategy": {"name": "RemediateOnFailure"}})
    assert retry_interval(remedied, "install", by_default=True) is None
