"""What a failed install or upgrade leads to, as the spec has it: tried again, remedied, or left. Pure.

Flux: helm-notification-image.md 2.2, 2.7 (HN6, HN7, HN8).
"""

from dataclasses import dataclass
from typing import Literal

from fleetloop.api.durations import seconds_of
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus, InstallRemediation, UpgradeRemediation
from fleetloop.controllers.helm.release import Remedy

ReleaseAction = Literal["install", "upgrade"]
DEFAULT_RETRY_INTERVAL = 300.0


@dataclass(frozen=True, slots=True)
class Remediation:
    """`retries` below 0 are without end; `counter` is what the status counts for this action."""

    retries: int
    counter: int
    ignore_test_failures: bool
    remediate_last: bool
    remedy: Remedy

    @property
    def is_exhausted(self) -> bool:
        return self.retries >= 0 and self.counter > self.retries


def remediation_of(release: HelmRelease, status: HelmReleaseStatus, action: ReleaseAction) -> Remediation:
    test = release.spec.test
    ignore = bool(test and test.ignore_failures)
    if action == "install":
        install = (release.spec.install and release.spec.install.remediation) or InstallRemediation()
        return Remediation(
            install.retries,
            status.install_failures,
            ignore if install.ignore_test_failures is None else install.ignore_test_failures,
            bool(install.remediate_last_failure),
            "uninstall",
        )
    upgrade = (release.spec.upgrade and release.spec.upgrade.remediation) or UpgradeRemediation()
    last = upgrade.retries > 0 if upgrade.remediate_last_failure is None else upgrade.remediate_last_failure
    return Remediation(
        upgrade.retries,
        status.upgrade_failures,
        ignore if upgrade.ignore_test_failures is None else upgrade.ignore_test_failures,
        last,
        upgrade.strategy or "rollback",
    )


def active_remediation(release: HelmRelease, status: HelmReleaseStatus) -> Remediation | None:
    """That of the last action; none before the first."""
    action = status.last_attempted_release_action
    return remediation_of(release, status, action) if action else None


def retry_interval(release: HelmRelease, action: ReleaseAction | None, *, by_default: bool) -> float | None:
    """Seconds between tries where a failure is tried again as it is; None where it is remedied. `by_default`: the gate
    DefaultToRetryOnFailure."""
    spec = release.spec
    options = spec.install if action == "install" else spec.upgrade
    strategy = options.strategy if options and action else None
    name = strategy.name if strategy else ("RetryOnFailure" if by_default else "RemediateOnFailure")
    if action is None or name != "RetryOnFailure":
        return None
    wanted = strategy.retry_interval if strategy else None
    return seconds_of(wanted) if wanted else DEFAULT_RETRY_INTERVAL
