"""The state of a release in one word. Pure: the world is given. Flux: helm-notification-image.md 2.6."""

from dataclasses import dataclass
from enum import StrEnum

from fleetloop.api.helm import Snapshot
from fleetloop.controllers.helm.failures import StateError
from fleetloop.controllers.helm.history import API_VERSION, Stored, failed_tests, was_tested

LOCKED = frozenset({"pending-install", "pending-upgrade", "pending-rollback"})


class State(StrEnum):
    ABSENT = "Absent"
    LOCKED = "Locked"
    UNMANAGED = "Unmanaged"
    FAILED = "Failed"
    OUT_OF_SYNC = "OutOfSync"
    UNTESTED = "Untested"
    DRIFTED = "Drifted"
    IN_SYNC = "InSync"


@dataclass(frozen=True, slots=True)
class World:
    """What a pass knows. `stored`: the newest release in Helm's storage. `rendered_otherwise`: post-renderers or common metadata
    changed in this generation. `ignore_test_failures`: of the active remediation."""

    stored: Stored | None
    newest: Snapshot | None  # of status.history
    chart_name: str
    chart_version: str
    config_digest: str
    rendered_otherwise: bool = False
    tests: bool = False
    ignore_test_failures: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    state: State
    reason: str


def state_of(world: World) -> Verdict:
    """The first that fits; drift is looked for in what is InSync here. Raises StateError."""
    stored, newest = world.stored, world.newest
    if stored is None:
        return Verdict(State.ABSENT, "no release in storage for object")
    if stored.status in LOCKED:
        return Verdict(State.LOCKED, f"release with status '{stored.status}'")
    if stored.status == "uninstalled" and (newest is None or _is_ours(stored, newest)):
        return Verdict(State.ABSENT, "found uninstalled release in storage")
    if newest is None or not _is_ours(stored, newest):
        return Verdict(State.UNMANAGED, "the release in storage is not the one on record")
    if stored.status == "failed":
        return Verdict(State.FAILED, "release has status 'failed'")
    if stored.status != "deployed":
        raise StateError(f"unable to determine state for release with status '{stored.status}'")
    return _deployed(world, stored, newest)


def _is_ours(stored: Stored, newest: Snapshot) -> bool:
    return newest.api_version != API_VERSION or (stored.version, stored.digest) == (newest.version, newest.digest)


def _deployed(world: World, stored: Stored, newest: Snapshot) -> Verdict:
    if (stored.chart_name, stored.chart_version) != (world.chart_name, world.chart_version):
        return Verdict(State.OUT_OF_SYNC, f"chart {stored.chart_name}@{stored.chart_version} is not the wanted one")
    if stored.config_digest != world.config_digest:
        return Verdict(State.OUT_OF_SYNC, "values differ")
    if world.rendered_otherwise:
        return Verdict(State.OUT_OF_SYNC, "post-renderers or common metadata differ")
    if world.tests:
        if not was_tested(newest):
            return Verdict(State.UNTESTED, "release has not been tested")
        if failed_tests(newest) and not world.ignore_test_failures:
            return Verdict(State.FAILED, "release has test in failed phase")
    return Verdict(State.IN_SYNC, "release is as wanted")
