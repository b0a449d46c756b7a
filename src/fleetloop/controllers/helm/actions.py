"""What is done about a release: one action of Helm's, recorded as it ends. Flux: helm-notification-image.md 2.8.

Every function leaves its facts in the draft (history, counters, conditions) and tells people; none decides what comes next.
"""

import time
from dataclasses import replace
from typing import Any, Literal

from fleetloop.api.durations import duration_text
from fleetloop.api.helm import HelmReleaseStatus, Install, Snapshot, Upgrade
from fleetloop.controllers.helm import release as options
from fleetloop.controllers.helm.conditions import RELEASED, REMEDIATED, TEST_SUCCESS
from fleetloop.controllers.helm.definitions import DefinitionsFailed, apply_definitions
from fleetloop.controllers.helm.engine import Outcome
from fleetloop.controllers.helm.failures import ActionFailed, StateError, Superseded
from fleetloop.controllers.helm.history import failed_tests, removed, with_chart, with_tests
from fleetloop.controllers.helm.next_action import Action
from fleetloop.controllers.helm.run import Run
from fleetloop.runtime.conditions import remove
from fleetloop.runtime.log import logger

PAST = {Action.INSTALL: "Install", Action.UPGRADE: "Upgrade"}
UNLOCK_SECONDS = 60.0


async def install_or_upgrade(run: Run, action: Literal[Action.INSTALL, Action.UPGRADE]) -> Outcome:
    """Raises ActionFailed when nothing was written to Helm's storage (HN7), Superseded when something newer ended its wait."""
    release, draft = run.release, run.draft
    is_install = action is Action.INSTALL
    spec = (release.spec.install or Install()) if is_install else (release.spec.upgrade or Upgrade())
    seconds = options.timeout_of(release, spec.timeout)
    draft.last_attempted_release_action = "install" if is_install else "upgrade"
    if is_install:
        draft.history = ()
    remove(draft, TEST_SUCCESS, REMEDIATED)
    await run.announce(action, seconds, decides=True)
    started = time.monotonic()
    outcome = await _with_definitions(run, action, spec, seconds)
    draft.last_attempted_release_action_duration = duration_text(time.monotonic() - started)
    run.record(outcome, str(action))
    if not outcome.error:
        _succeeded(run, PAST[action])
        return outcome
    if cause := run.superseded_by():
        canceled = f"Health checks canceled due to new reconciliation triggered by {cause}"
        run.report.event("Normal", "HealthCheckCanceled", canceled)
        run.mark(RELEASED, "False", f"{PAST[action]}Failed", _failed(run, action, outcome.error))
        raise Superseded(canceled)
    message = _failed(run, action, outcome.error)
    run.mark(RELEASED, "False", f"{PAST[action]}Failed", message)
    logs = "\n\nLast Helm logs:\n\n" + "\n".join(outcome.logs) if outcome.logs else ""
    run.tell(f"{PAST[action]}Failed", message + logs, bad=True)
    draft.failures += 1
    if not outcome.observed:
        raise ActionFailed(f"{PAST[action]}Failed", message)
    _count(draft, is_install=is_install)
    return outcome


async def _with_definitions(run: Run, action: Action, spec: Install | Upgrade, seconds: float) -> Outcome:
    try:
        async with run.asking():
            await apply_definitions(run.kube, run.definitions, spec.crds, options.origin_labels(run.release))
    except DefinitionsFailed as error:
        return Outcome([], [], str(error))
    return await run.act(f"helm.{action}", seconds, **_arguments(run, spec))


def _failed(run: Run, action: Action, error: str) -> str:
    place = f"{options.release_namespace(run.release)}/{options.release_name(run.release)}"
    return f"Helm {action} failed for release {place} with chart {run.chart}: {error}"


def _arguments(run: Run, spec: Install | Upgrade) -> dict[str, Any]:
    release = run.release
    common = {
        "chart": {"path": run.chart_path, "version": run.version},
        "values": run.values,
        "postRender": options.post_render(release, run.defaults),
    }
    if isinstance(spec, Install):
        creates = spec.create_namespace and bool(release.spec.target_namespace)
        return common | {
            "options": options.install_options(release, run.defaults),
            "replace": spec.replace,
            "createNamespace": creates,
        }
    return common | {
        "options": options.upgrade_options(release, run.defaults),
        "preserveValues": spec.preserve_values,
    }


def _succeeded(run: Run, past: str) -> None:
    newest = run.newest
    assert newest is not None  # it was just written
    message = f"Helm {past.lower()} succeeded for release {with_chart(newest)}"
    run.mark(RELEASED, "True", f"{past}Succeeded", message)
    if run.release.spec.test and run.release.spec.test.enable:
        run.mark(TEST_SUCCESS, "Unknown", "AwaitingTests", f"{message}: awaiting tests")
    run.tell(f"{past}Succeeded", message)


def _count(draft: HelmReleaseStatus, *, is_install: bool) -> None:
    if is_install:
        draft.install_failures += 1
    else:
        draft.upgrade_failures += 1


async def test(run: Run, *, ignore: bool) -> Outcome:
    """Of the newest release. `ignore`: a failed test counts as no failure."""
    arguments = options.test_arguments(run.release)
    await run.announce(Action.TEST, arguments["seconds"])
    outcome = await run.act("helm.test", arguments["seconds"], **arguments)
    newest = run.released
    if outcome.observed:
        newest = with_tests(newest, outcome.observed[-1], arguments["include"], arguments["exclude"])
        run.keep(newest)
    subject = f"release {with_chart(newest)}"
    if outcome.error or failed_tests(newest):
        message = f"Helm test failed for {subject}: {outcome.error or 'a test hook failed'}"
        run.mark(TEST_SUCCESS, "False", "TestFailed", message)
        run.tell("TestFailed", message, bad=True, of=newest)
        run.draft.failures += 1
        if not ignore:
            _count(run.draft, is_install=run.draft.last_attempted_release_action == "install")
        return outcome
    count = len(newest.test_hooks or {})
    ended = "no test hooks" if count == 0 else f"{count} test hook{'s' * (count > 1)} completed successfully"
    message = f"Helm test succeeded for {subject}: {ended}"
    run.mark(TEST_SUCCESS, "True", "TestSucceeded", message)
    run.tell("TestSucceeded", message, of=newest)
    return outcome


async def roll_back(run: Run, target: Snapshot) -> None:
    """To an older release that was good."""
    wanted = options.rollback_options(run.release)
    if run.release.spec.rollback and run.release.spec.rollback.recreate:
        logger().warning("spec.rollback.recreate has no effect")
    await run.announce(Action.ROLLBACK, wanted["seconds"])
    back = replace(run, helm=replace(run.helm, new_oci_digest=target.oci_digest))  # what is released next is the old chart
    outcome = await back.act("helm.rollback", wanted["seconds"], version=target.version, options=wanted)
    back.record(outcome, "rollback")
    _remediated(run, "Rollback", target, f"Helm rollback to previous release {with_chart(target)}", outcome.error)


async def uninstall_as_remedy(run: Run) -> None:
    """After a failed install, or where the strategy says so."""
    arguments = options.uninstall_arguments(run.release)
    await run.announce(Action.UNINSTALL, arguments["seconds"])
    newest = run.released
    outcome = await run.act("helm.uninstall", arguments["seconds"], **arguments)
    run.record(outcome, "uninstall-remediation")
    if not outcome.error:
        run.keep(removed(run.released, "uninstall-remediation"))
    _remediated(run, "Uninstall", newest, f"Helm uninstall remediation for release {with_chart(newest)}", outcome.error)


def _remediated(run: Run, past: str, of: Snapshot, what: str, error: str) -> None:
    if not error:
        run.mark(REMEDIATED, "True", f"{past}Succeeded", f"{what} succeeded")
        run.tell(f"{past}Succeeded", f"{what} succeeded", of=of)
        return
    run.mark(REMEDIATED, "False", f"{past}Failed", f"{what} failed: {error}")
    run.tell(f"{past}Failed", f"{what} failed: {error}", bad=True, of=of)
    run.draft.failures += 1


async def unlock(run: Run, status: str) -> None:
    """A release whose action was killed counts as failed from now on. Raises StateError."""
    await run.announce(Action.UNLOCK, UNLOCK_SECONDS)
    outcome = await run.act("helm.unlock", UNLOCK_SECONDS, description=f"Release unlocked from stale '{status}' state")
    if outcome.error:
        raise StateError(f"unlock of release failed: {outcome.error}")
    run.record(outcome, run.draft.last_attempted_release_action or "")
    message = f"Unlocked Helm release {with_chart(run.released)} from stale '{status}' state"
    run.mark(RELEASED, "False", "PendingRelease", message)
    run.tell("PendingRelease", message, of=run.released)
