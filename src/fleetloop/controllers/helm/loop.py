"""Acts on a release until it is as wanted: state, next action, action, and again. Flux: helm-notification-image.md 2.7."""

import hashlib
from typing import Any

import msgspec

from fleetloop.api import names
from fleetloop.api.durations import duration_text, seconds_of
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus, Snapshot
from fleetloop.controllers.helm import actions, conditions
from fleetloop.controllers.helm import release as options
from fleetloop.controllers.helm.drift import Drifted, DriftUnknown, correct, find_drift, rules_of
from fleetloop.controllers.helm.engine import HelmFailed
from fleetloop.controllers.helm.engine import Outcome as Acted
from fleetloop.controllers.helm.failures import MoreToDo, RetryLater, StateError
from fleetloop.controllers.helm.history import (
    KEPT,
    Stored,
    algorithm_of,
    is_stored,
    named,
    previous,
    trimmed,
    with_chart,
    written_over,
)
from fleetloop.controllers.helm.inventory import take_inventory
from fleetloop.controllers.helm.next_action import KIND, REMEDIES, Action, Circumstances, exhausted, next_action
from fleetloop.controllers.helm.remediation import active_remediation, remediation_of, retry_interval
from fleetloop.controllers.helm.run import Run
from fleetloop.controllers.helm.state import State, Verdict, World, state_of
from fleetloop.controllers.helm.tools import HelmTools
from fleetloop.kube.managers import Takeover
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.outcome import Done, Failure, Outcome

_ESCAPED = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})


class Loop:
    """Acts until the release is as wanted; each kind of action once."""

    def __init__(self, tools: HelmTools, run: Run) -> None:
        self._tools, self._run = tools, run
        self._release, self._draft = run.release, run.draft
        self._done: set[str] = set()
        self._stored: list[Stored] = []
        self._is_known = False  # what is stored: the action that wrote it last told
        annotations = run.release.metadata.annotations
        self._forced = is_requested(run.release, names.FORCE_AT, run.draft.last_handled_force_at)
        run.draft.last_handled_force_at = annotations.get(names.FORCE_AT, run.draft.last_handled_force_at)

    async def run(self) -> Outcome:
        """Raises Failure."""
        while True:
            verdict, drifted = await self._state()
            action = next_action(verdict.state, self._circumstances())
            if action is None:
                return self._ended(drifted)
            self._forced = False
            if KIND[action] in self._done:
                raise self._once_more(verdict.state)
            acted = await self._act(action, verdict, drifted)
            self._done.add(KIND[action])
            await self._after(action, acted)

    async def _after(self, action: Action, acted: Acted | None) -> None:
        """What an action leaves for others to see; of one that succeeded the next step tells at once, or the pass's end. Raises
        Failure where the pass ends with it."""
        run, draft = self._run, self._draft
        if action in {Action.INSTALL, Action.UPGRADE, Action.ROLLBACK}:
            async with run.asking():
                await take_inventory(run, acted.objects if acted else None)
        conditions.summarize(draft, self._release, utc_now())
        if acted and not acted.error:
            self._stored, self._is_known = written_over(self._stored, acted.observed), True
        else:
            await run.report.progress()
        if action in REMEDIES:
            raise self._remedied(action)
        interval = self._retry_interval()
        if KIND[action] == "release" and interval is not None and not draft.is_true(conditions.RELEASED):
            raise retry_later(interval)

    async def _state(self) -> tuple[Verdict, list[Drifted]]:
        run, draft, release = self._run, self._draft, self._release
        try:
            if not self._is_known:
                async with run.asking():
                    self._stored = await run.helm.history()
            self._is_known = False
        except HelmFailed as error:
            raise StateError(f"could not determine release state: {error}") from error
        verdict = state_of(
            World(
                stored=self._stored[0] if self._stored else None,
                newest=run.newest,
                chart_name=run.chart_name,
                chart_version=run.version,
                config_digest=run.config_digest,
                rendered_otherwise=self._rendered_otherwise(),
                tests=bool(release.spec.test and release.spec.test.enable),
                ignore_test_failures=self._ignores_tests(),
            )
        )
        if verdict.state is not State.IN_SYNC:
            return verdict, []
        digests = rendering_digests(release, run.helm.algorithm)
        draft.observed_post_renderers_digest, draft.observed_common_metadata_digest = digests
        if not detects_drift(release):
            return verdict, []
        drifted = await self._drift(self._stored[0].version)
        return (Verdict(State.DRIFTED, "objects differ"), drifted) if drifted else (verdict, [])

    async def _drift(self, version: int) -> list[Drifted]:
        run = self._run
        try:
            place = (run.helm.name, run.helm.namespace)
            takeover = Takeover(names.HELM_CONTROLLER, self._tools.settings.override_managers)
            rules = rules_of(self._release)
            async with run.asking():
                objects = await run.helm.manifest(version)
                return await find_drift(run.kube, objects, place, rules, takeover)
        except (HelmFailed, DriftUnknown, ValueError) as error:
            raise StateError(f"unable to determine cluster state: {error}") from error

    def _rendered_otherwise(self) -> bool:
        """By a generation before this one; what this pass released is rendered as it shall be."""
        draft, release = self._draft, self._release
        if draft.observed_generation == release.metadata.generation or "release" in self._done:
            return False
        digests = (draft.observed_post_renderers_digest, draft.observed_common_metadata_digest)
        algorithm = algorithm_of("".join(digests), self._run.helm.algorithm)  # of both
        return digests != rendering_digests(release, algorithm)

    def _ignores_tests(self) -> bool:
        active = active_remediation(self._release, self._draft)
        return bool(active and active.ignore_test_failures)

    def _circumstances(self) -> Circumstances:
        release, draft = self._release, self._draft
        install, upgrade = remediation_of(release, draft, "install"), remediation_of(release, draft, "upgrade")
        detection = release.spec.drift_detection
        target = previous(draft.history, ignore_tests=self._ignores_tests())
        return Circumstances(
            install=install,
            upgrade=upgrade,
            active={"install": install, "upgrade": upgrade}.get(draft.last_attempted_release_action or ""),
            retries=self._retry_interval() is not None,
            forced=self._forced,
            target=target is not None,
            target_is_stored=target is not None and is_stored(target, self._stored),
            corrects=bool(detection and detection.mode == "enabled"),
        )

    def _retry_interval(self) -> float | None:
        by_default = self._tools.settings.gate("DefaultToRetryOnFailure")
        return retry_interval(self._release, self._draft.last_attempted_release_action, by_default=by_default)

    async def _act(self, action: Action, verdict: Verdict, drifted: list[Drifted]) -> Acted | None:
        """How it ended, where that says all of what is stored now."""
        run, draft = self._run, self._draft
        match action:
            case Action.INSTALL | Action.UPGRADE:
                draft.history = () if verdict.state is State.UNMANAGED else self._kept_history()
                return await actions.install_or_upgrade(run, action)
            case Action.TEST:
                if draft.is_true(conditions.REMEDIATED):
                    self._recover()
                return await actions.test(run, ignore=self._ignores_tests())
            case Action.ROLLBACK:
                draft.history = self._kept_history()
                target = previous(draft.history, ignore_tests=self._ignores_tests())
                assert target is not None  # else there is no such action
                await actions.roll_back(run, target)
            case Action.UNINSTALL:
                await actions.uninstall_as_remedy(run)
            case Action.UNLOCK:
                await actions.unlock(run, self._stored[0].status)
            case Action.CORRECT:
                await self._correct(drifted)
        return None

    def _kept_history(self) -> tuple[Snapshot, ...]:
        """Where failures are remedied, down to what a rollback needs; else the newest."""
        if self._retry_interval() is not None:
            return self._draft.history[:KEPT]
        return trimmed(self._draft.history, ignore_tests=self._ignores_tests())

    async def _correct(self, drifted: list[Drifted]) -> None:
        run = self._run
        self._tell_drift(drifted)
        await run.announce(Action.CORRECT, options.timeout_of(self._release, None))
        conditions.unknown(self._draft, self._release, "correcting cluster drift", utc_now())
        async with run.asking():
            failures = await correct(run.kube, drifted)
        place = named(run.released)
        if failures:
            message = f"Failed to correct cluster state of release {place}:\n" + "\n".join(failures)
            run.report.event("Warning", "DriftCorrectionFailed", message)
            raise StateError(message)
        lines = "\n".join(one.line for one in drifted if one.request)
        run.report.event("Normal", "DriftCorrected", f"Cluster state of release {place} has been corrected:\n{lines}")

    def _tell_drift(self, drifted: list[Drifted]) -> None:
        run = self._run
        lines = "\n".join(one.line for one in drifted)
        message = f"Cluster state of release {named(run.released)} has drifted from the desired state:\n{lines}"
        run.mark(conditions.DRIFTED, "True", "DriftDetected", message)
        run.report.event("Warning", "DriftDetected", message)

    def _ended(self, drifted: list[Drifted]) -> Outcome:
        """Nothing is left to do."""
        run, draft, release = self._run, self._draft, self._release
        if drifted:
            self._tell_drift(drifted)
        elif detects_drift(release):
            run.mark(conditions.DRIFTED, "False", "NoDriftDetected", f"No drift detected for release {named(run.released)}")
        self._recover()
        draft.history = self._kept_history()
        if self._retry_interval() is not None:
            reset_counters(draft)  # HN8; else what failed counts until there is something new to try (HN6)
        return Done(after=seconds_of(release.spec.interval), message="release is in sync", is_news=bool(self._done))

    def _recover(self) -> None:
        newest, draft = self._run.released, self._draft
        was = "upgrade" if draft.condition(conditions.REMEDIATED) else draft.last_attempted_release_action or "upgrade"
        message = f"Helm {was} succeeded for release {with_chart(newest)}"
        conditions.recovered(draft, self._release, message, utc_now())

    def _once_more(self, state: State) -> Failure:
        """The same kind of action would run twice: the next pass looks again, or the next try comes in its time."""
        interval = self._retry_interval()
        if state is State.FAILED and interval is not None:
            return retry_later(interval)
        return MoreToDo("more is to be done in the next pass")

    def _remedied(self, action: Action) -> Failure:
        """Not exhausted: at once again. Else a person is needed, or a new wish."""
        active = active_remediation(self._release, self._draft)
        if active and active.is_exhausted and action is not Action.UNINSTALL:
            was = Action.INSTALL if self._draft.last_attempted_release_action == "install" else Action.UPGRADE
            return exhausted(was, active)
        return MoreToDo("trying again after remediation")


def retry_later(interval: float) -> RetryLater:
    return RetryLater(f"retrying after {duration_text(interval)}", after=interval)


def detects_drift(release: HelmRelease) -> bool:
    detection = release.spec.drift_detection
    return bool(detection and detection.mode in {"enabled", "warn"})


def rendering_digests(release: HelmRelease, algorithm: str) -> tuple[str, str]:
    """Of the post-renderers and of the common metadata, "" where there are none. Flux: 2.4."""
    spec = release.spec
    return _digest(spec.post_renderers, algorithm), _digest(spec.common_metadata, algorithm)


def _digest(value: Any, algorithm: str) -> str:
    """Of what Go's encoder makes of it: fields in the order of the type, maps sorted."""
    if not value:
        return ""
    text = msgspec.json.encode(value, order="deterministic").decode() + "\n"
    return f"{algorithm}:{hashlib.new(algorithm, text.translate(_ESCAPED).encode()).hexdigest()}"


def is_requested(release: HelmRelease, annotation: str, handled: str) -> bool:
    """HN9: it counts only together with requestedAt, and once."""
    annotations = release.metadata.annotations
    wanted, requested = annotations.get(annotation, ""), annotations.get(names.REQUESTED_AT, "")
    return wanted != "" and wanted == requested and wanted != handled and requested != release.status.last_handled_reconcile_at


def reset_counters(draft: HelmReleaseStatus) -> None:
    draft.failures = draft.install_failures = draft.upgrade_failures = 0
