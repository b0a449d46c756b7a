"""What is done about a release: one action of Helm's, recorded as it ends. Flux: helm-notification-image.md 2.8.

Every function leaves its facts in the draft (history, counters, conditions) and tells people; none decides what comes next.
"""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from fleetloop.api.durations import duration_text
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus, Install, Snapshot, Upgrade
from fleetloop.controllers.helm import release as options
from fleetloop.controllers.helm.conditions import RELEASED, REMEDIATED, TEST_SUCCESS, running
from fleetloop.controllers.helm.definitions import DefinitionsFailed, apply_definitions
from fleetloop.controllers.helm.engine import Helm, HelmFailed, Outcome
from fleetloop.controllers.helm.failures import ActionFailed, StateError
from fleetloop.controllers.helm.history import chart_named, failed_tests, named, recorded, snapshot_of, with_tests
from fleetloop.controllers.helm.next_action import Action
from fleetloop.kube.client import Kube
from fleetloop.kube.objects import Manifest
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.conditions import mark, remove
from fleetloop.runtime.controller import Report

PAST = {Action.INSTALL: "Install", Action.UPGRADE: "Upgrade"}


@dataclass(slots=True)
class Run:
    """One pass's hold on its release. `chart_path`: the packaged chart; `version` is what Helm sees."""

    release: HelmRelease
    draft: HelmReleaseStatus
    report: Report
    helm: Helm
    kube: Kube  # as whom the release acts
    chart_path: str
    chart_name: str
    version: str
    app_version: str
    definitions: list[Manifest]
    values: dict[str, Any]
    config_digest: str
    allow_dns: bool
    last_logs: list[str] = field(default_factory=list)

    @property
    def chart(self) -> str:
        return chart_named(self.chart_name, self.version)

    @property
    def generation(self) -> int:
        return self.release.metadata.generation

    @property
    def newest(self) -> Snapshot | None:
        return self.draft.history[0] if self.draft.history else None

    @property
    def metadata(self) -> dict[str, str]:
        """Of events."""
        found = {"revision": self.version, "token": self.config_digest, "app-version": self.app_version}
        digest = self.helm.new_oci_digest
        return {key: value for key, value in (found | {"oci-digest": digest}).items() if value}

    async def announce(self, action: Action, seconds: float, *, ready: bool) -> None:
        message = f"Running '{action}' action with timeout of {duration_text(seconds)}"
        running(self.draft, self.release, message, utc_now(), ready=ready)
        await self.report.progress()

    async def act(self, verb: str, within: float, /, **args: object) -> Outcome:
        """The world is awaited in there: another pass may have the worker. Raises HelmFailed."""
        async with self.report.away():
            outcome = await self.helm.act(verb, within, **args)
        self.last_logs = outcome.logs
        return outcome

    def record(self, outcome: Outcome, action: str) -> None:
        """What Helm wrote, into status.history."""
        for stored in outcome.observed:
            old = next((one for one in self.draft.history if one.version == stored.version), None)
            is_new = old is None
            oci = self.helm.new_oci_digest if old is None else old.oci_digest
            snapshot = snapshot_of(stored, action if is_new else "", oci, old)
            self.draft.history = recorded(self.draft.history, snapshot)

    def mark(self, type: str, value: str, reason: str, message: str) -> None:
        mark(self.draft, type, value, reason, message, generation=self.generation, now=utc_now())

    def tell(self, reason: str, message: str, *, bad: bool = False) -> None:
        self.report.event("Warning" if bad else "Normal", reason, message, self.metadata)


async def install_or_upgrade(run: Run, action: Literal[Action.INSTALL, Action.UPGRADE]) -> None:
    """Raises ActionFailed when nothing was written to Helm's storage (HN7)."""
    release, draft = run.release, run.draft
    is_install = action is Action.INSTALL
    spec = (release.spec.install or Install()) if is_install else (release.spec.upgrade or Upgrade())
    seconds = options.timeout_of(release, spec.timeout)
    draft.last_attempted_release_action = "install" if is_install else "upgrade"
    if is_install:
        draft.history = ()
    remove(draft, TEST_SUCCESS, REMEDIATED)
    await run.announce(action, seconds, ready=True)
    started, past = time.monotonic(), PAST[action]
    try:
        await apply_definitions(run.kube, run.definitions, spec.crds, options.origin_labels(release))
        outcome = await run.act(f"helm.{action}", seconds, **_arguments(run, spec))
        error = outcome.error
        run.record(outcome, str(action))
        wrote = bool(outcome.observed)
    except (DefinitionsFailed, HelmFailed) as failure:
        error, wrote = str(failure), False
    draft.last_attempted_release_action_duration = duration_text(time.monotonic() - started)
    if not error:
        _succeeded(run, past)
        return
    place = f"{options.release_namespace(release)}/{options.release_name(release)}"
    message = f"Helm {action} failed for release {place} with chart {run.chart}: {error}"
    run.mark(RELEASED, "False", f"{past}Failed", message)
    logs = "\n\nLast Helm logs:\n\n" + "\n".join(run.last_logs) if run.last_logs else ""
    run.tell(f"{past}Failed", message + logs, bad=True)
    draft.failures += 1
    if not wrote:
        raise ActionFailed(f"{past}Failed", message)
    _count(draft, is_install=is_install)


def _arguments(run: Run, spec: Install | Upgrade) -> dict[str, Any]:
    release = run.release
    common = {
        "chart": {"path": run.chart_path, "version": run.version},
        "values": run.values,
        "postRender": options.post_render(release, options.origin_labels(release)),
    }
    if isinstance(spec, Install):
        creates = spec.create_namespace and bool(release.spec.target_namespace)
        return common | {
            "options": options.install_options(release, allow_dns=run.allow_dns),
            "replace": spec.replace,
            "createNamespace": creates,
        }
    return common | {
        "options": options.upgrade_options(release, allow_dns=run.allow_dns),
        "preserveValues": spec.preserve_values,
    }


def _succeeded(run: Run, past: str) -> None:
    newest = run.newest
    assert newest is not None  # it was just written
    message = f"Helm {past.lower()} succeeded for release {named(newest)} with chart {run.chart}"
    run.mark(RELEASED, "True", f"{past}Succeeded", message)
    if run.release.spec.test and run.release.spec.test.enable:
        run.mark(TEST_SUCCESS, "Unknown", "AwaitingTests", f"{message}: awaiting tests")
    run.tell(f"{past}Succeeded", message)


def _count(draft: HelmReleaseStatus, *, is_install: bool) -> None:
    if is_install:
        draft.install_failures += 1
    else:
        draft.upgrade_failures += 1


async def test(run: Run, *, ignore: bool) -> None:
    """Of the newest release. `ignore`: a failed test counts as no failure."""
    arguments = options.test_arguments(run.release)
    await run.announce(Action.TEST, arguments["seconds"], ready=False)
    error, outcome = "", None
    try:
        outcome = await run.act("helm.test", arguments["seconds"], **arguments)
        error = outcome.error
    except HelmFailed as failure:
        error = str(failure)
    newest = run.newest
    assert newest is not None  # what is tested was released before
    if outcome and outcome.observed:
        newest = with_tests(newest, outcome.observed[-1])
        run.draft.history = recorded(run.draft.history, newest)
    subject = f"release {named(newest)} with chart {chart_named(newest.chart_name, newest.chart_version)}"
    if error or failed_tests(newest):
        message = f"Helm test failed for {subject}: {error or 'a test hook failed'}"
        run.mark(TEST_SUCCESS, "False", "TestFailed", message)
        run.tell("TestFailed", message, bad=True)
        run.draft.failures += 1
        if not ignore:
            _count(run.draft, is_install=run.draft.last_attempted_release_action == "install")
        return
    count = len(newest.test_hooks or {})
    ended = "no test hooks" if count == 0 else f"{count} test hook{'s' * (count > 1)} completed successfully"
    message = f"Helm test succeeded for {subject}: {ended}"
    run.mark(TEST_SUCCESS, "True", "TestSucceeded", message)
    run.tell("TestSucceeded", message)


async def roll_back(run: Run, target: Snapshot) -> None:
    """To an older release that was good."""
    wanted = options.rollback_options(run.release)
    await run.announce(Action.ROLLBACK, wanted["seconds"], ready=False)
    try:
        outcome = await run.act("helm.rollback", wanted["seconds"], version=target.version, options=wanted)
        run.record(outcome, "rollback")
        error = outcome.error
    except HelmFailed as failure:
        error = str(failure)
    subject = f"previous release {named(target)} with chart {chart_named(target.chart_name, target.chart_version)}"
    if error:
        message = f"Helm rollback to {subject} failed: {error}"
        run.mark(REMEDIATED, "False", "RollbackFailed", message)
        run.tell("RollbackFailed", message, bad=True)
        run.draft.failures += 1
        return
    message = f"Helm rollback to {subject} succeeded"
    run.mark(REMEDIATED, "True", "RollbackSucceeded", message)
    run.tell("RollbackSucceeded", message)


async def uninstall_as_remedy(run: Run) -> None:
    """After a failed install, or where the strategy says so."""
    arguments = options.uninstall_arguments(run.release)
    await run.announce(Action.UNINSTALL, arguments["seconds"], ready=False)
    newest = run.newest
    assert newest is not None  # what failed was released before
    try:
        outcome = await run.act("helm.uninstall", arguments["seconds"], **arguments)
        run.record(outcome, "uninstall-remediation")
        error = outcome.error
    except HelmFailed as failure:
        error = str(failure)
    subject = f"release {named(newest)} with chart {chart_named(newest.chart_name, newest.chart_version)}"
    if error:
        message = f"Helm uninstall remediation for {subject} failed: {error}"
        run.mark(REMEDIATED, "False", "UninstallFailed", message)
        run.tell("UninstallFailed", message, bad=True)
        run.draft.failures += 1
        return
    message = f"Helm uninstall remediation for {subject} succeeded"
    run.mark(REMEDIATED, "True", "UninstallSucceeded", message)
    run.tell("UninstallSucceeded", message)


async def unlock(run: Run, status: str) -> None:
    """A release whose action was killed counts as failed from now on. Raises StateError."""
    description = f"Release unlocked from stale '{status}' state"
    try:
        outcome = await run.act("helm.unlock", 60.0, description=description)
    except HelmFailed as error:
        raise StateError(f"unlock of release failed: {error}") from error
    if outcome.error:
        raise StateError(f"unlock of release failed: {outcome.error}")
    run.record(outcome, run.draft.last_attempted_release_action or "")
    newest = run.newest
    place = named(newest) if newest else options.release_name(run.release)
    message = f"Unlocked Helm release {place} with chart {run.chart} from stale '{status}' state"
    run.mark(RELEASED, "False", "PendingRelease", message)
    run.tell("PendingRelease", message)
