"""Acts on a release until it is as wanted: state, next action, action, and again. Flux: helm-notification-image.md 2.7."""

import hashlib
from dataclasses import replace
from typing import Any

import msgspec

from fleetloop.api import names
from fleetloop.api.applier import ResourceInventory, ResourceRef
from fleetloop.api.durations import duration_text, seconds_of
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus
from fleetloop.controllers.helm import actions, conditions
from fleetloop.controllers.helm.actions import Run
from fleetloop.controllers.helm.drift import Drifted, DriftUnknown, correct, find_drift, rules_of
from fleetloop.controllers.helm.engine import HelmFailed
from fleetloop.controllers.helm.failures import ActionFailed, RetryLater, StateError
from fleetloop.controllers.helm.history import previous, trimmed
from fleetloop.controllers.helm.next_action import KIND, REMEDIES, Action, Circumstances, exhausted, next_action
from fleetloop.controllers.helm.remediation import active_remediation, remediation_of, retry_interval
from fleetloop.controllers.helm.state import State, Verdict, World, state_of
from fleetloop.controllers.helm.tools import HelmTools
from fleetloop.kube.errors import ApiError
from fleetloop.kube.inventory import id_of
from fleetloop.kube.objects import ObjectRef, ref_of
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.outcome import Done, Outcome


class Loop:
    """Acts until the release is as wanted; each kind of action once."""

    def __init__(self, tools: HelmTools, run: Run) -> None:
        self._tools, self._run = tools, run
        self._release, self._draft = run.release, run.draft
        self._done: set[str] = set()
        annotations = run.release.metadata.annotations
        self._forced = is_requested(run.release, names.FORCE_AT, run.draft.last_handled_force_at)
        run.draft.last_handled_force_at = annotations.get(names.FORCE_AT, run.draft.last_handled_force_at)

    async def run(self) -> Outcome:
        draft, run = self._draft, self._run
        while True:
            verdict, drifted = await self._state()
            about = self._circumstances()
            action = next_action(verdict.state, about)
            if action is None:
                return await self._ended(verdict, drifted)
            self._forced = False
            if KIND[action] in self._done:
                return self._again()
            await self._act(action, verdict, drifted)
            self._done.add(KIND[action])
            if action in {Action.INSTALL, Action.UPGRADE, Action.ROLLBACK}:
                await self._take_inventory()
            conditions.summarize(draft, self._release, utc_now())
            await run.report.progress()
            if action in REMEDIES:
                return self._after_remedy(action)
            if self._retries() and not draft.is_true(conditions.RELEASED):
                return self._retry_later()

    async def _state(self) -> tuple[Verdict, list[Drifted]]:
        run, draft, release = self._run, self._draft, self._release
        try:
            stored = await run.helm.history()
        except HelmFailed as error:
            raise StateError(f"could not determine release state: {error}") from error
        active = active_remediation(release, draft)
        verdict = state_of(
            World(
                stored=stored[0] if stored else None,
                newest=run.newest,
                chart_name=run.chart_name,
                chart_version=run.version,
                config_digest=run.config_digest,
                rendered_otherwise=draft.observed_generation != release.metadata.generation and self._rendered_otherwise(),
                tests=bool(release.spec.test and release.spec.test.enable),
                ignore_test_failures=bool(active and active.ignore_test_failures),
            )
        )
        mode = release.spec.drift_detection.mode if release.spec.drift_detection else None
        if verdict.state is not State.IN_SYNC or mode not in {"enabled", "warn"}:
            return verdict, []
        drifted = await self._drift(stored[0].version)
        return (Verdict(State.DRIFTED, "objects differ"), drifted) if drifted else (verdict, [])

    async def _drift(self, version: int) -> list[Drifted]:
        run = self._run
        try:
            objects = await run.helm.manifest(version)
            place = (run.helm.name, run.helm.namespace)
            return await find_drift(run.kube, objects, place, rules_of(self._release))
        except (HelmFailed, DriftUnknown, ValueError) as error:
            raise StateError(f"unable to determine cluster state: {error}") from error

    def _rendered_otherwise(self) -> bool:
        draft, release = self._draft, self._release
        digests = (draft.observed_post_renderers_digest, draft.observed_common_metadata_digest)
        return digests != rendering_digests(release)

    def _circumstances(self) -> Circumstances:
        release, draft = self._release, self._draft
        install, upgrade = remediation_of(release, draft, "install"), remediation_of(release, draft, "upgrade")
        active = active_remediation(release, draft)
        detection = release.spec.drift_detection
        return Circumstances(
            install=install,
            upgrade=upgrade,
            active={"install": install, "upgrade": upgrade}.get(draft.last_attempted_release_action or "") if active else None,
            retries=self._retries(),
            forced=self._forced,
            target=previous(draft.history, ignore_tests=bool(active and active.ignore_test_failures)) is not None,
            corrects=bool(detection and detection.mode == "enabled"),
        )

    def _retries(self) -> bool:
        return self._retry_interval() is not None

    def _retry_interval(self) -> float | None:
        by_default = self._tools.settings.gate("DefaultToRetryOnFailure")
        return retry_interval(self._release, self._draft.last_attempted_release_action, by_default=by_default)

    async def _act(self, action: Action, verdict: Verdict, drifted: list[Drifted]) -> None:
        run, draft = self._run, self._draft
        active = active_remediation(self._release, draft)
        ignore = bool(active and active.ignore_test_failures)
        if action is Action.INSTALL or action is Action.UPGRADE:
            if verdict.state is State.UNMANAGED:
                draft.history = ()
            await actions.install_or_upgrade(run, action)
            draft.observed_post_renderers_digest, draft.observed_common_metadata_digest = rendering_digests(self._release)
        elif action is Action.TEST:
            await actions.test(run, ignore=ignore)
        elif action is Action.ROLLBACK:
            draft.history = trimmed(draft.history, ignore_tests=ignore)
            target = previous(draft.history, ignore_tests=ignore)
            assert target is not None  # else there is no such action
            await actions.roll_back(run, target)
        elif action is Action.UNINSTALL:
            await actions.uninstall_as_remedy(run)
        elif action is Action.UNLOCK:
            await actions.unlock(run, (await run.helm.history())[0].status)
        else:
            await self._correct(drifted)

    async def _correct(self, drifted: list[Drifted]) -> None:
        run = self._run
        self._tell_drift(drifted)
        failures = await correct(run.kube, drifted)
        place = f"{run.helm.namespace}/{run.helm.name}"
        if failures:
            message = f"Failed to correct cluster state of release {place}:\n" + "\n".join(failures)
            run.report.event("Warning", "DriftCorrectionFailed", message)
            raise StateError(message)
        lines = "\n".join(one.line for one in drifted)
        run.report.event("Normal", "DriftCorrected", f"Cluster state of release {place} has been corrected:\n{lines}")

    def _tell_drift(self, drifted: list[Drifted]) -> None:
        run = self._run
        newest = run.newest
        place = f"{run.helm.namespace}/{run.helm.name}" + (f".v{newest.version}" if newest else "")
        lines = "\n".join(one.line for one in drifted)
        message = f"Cluster state of release {place} has drifted from the desired state:\n{lines}"
        run.mark(conditions.DRIFTED, "True", "DriftDetected", message)
        run.report.event("Warning", "DriftDetected", message)

    async def _ended(self, verdict: Verdict, drifted: list[Drifted]) -> Outcome:
        """Nothing is left to do."""
        run, draft, release = self._run, self._draft, self._release
        if drifted:
            self._tell_drift(drifted)
        newest, detection = run.newest, release.spec.drift_detection
        assert newest is not None  # a release that is as wanted is on record
        if detection and detection.mode in {"enabled", "warn"} and not drifted:
            message = f"No drift detected for release {run.helm.namespace}/{run.helm.name}.v{newest.version}"
            run.mark(conditions.DRIFTED, "False", "NoDriftDetected", message)
        was = draft.last_attempted_release_action or "upgrade"
        place = f"{newest.namespace}/{newest.name}.v{newest.version}"
        message = f"Helm {was} succeeded for release {place} with chart {newest.chart_name}@{newest.chart_version}"
        conditions.recovered(draft, release, message, utc_now())
        active = active_remediation(release, draft)
        draft.history = trimmed(draft.history, ignore_tests=bool(active and active.ignore_test_failures))
        draft.observed_post_renderers_digest, draft.observed_common_metadata_digest = rendering_digests(release)
        reset_counters(draft)
        return Done(after=seconds_of(release.spec.interval), message="release is in sync", is_news=bool(self._done))

    def _again(self) -> Outcome:
        """The same kind of action would run twice: the next pass looks again."""
        raise ActionFailed("Progressing", "more is to be done in the next pass")

    def _after_remedy(self, action: Action) -> Outcome:
        """Not exhausted: at once again. Else a person is needed, or a new wish."""
        draft = self._draft
        active = active_remediation(self._release, draft)
        assert active is not None  # something was remedied
        if active.is_exhausted and action is not Action.UNINSTALL:
            was = Action.INSTALL if draft.last_attempted_release_action == "install" else Action.UPGRADE
            raise exhausted(was, active)
        raise ActionFailed("Progressing", "trying again after remediation")

    def _retry_later(self) -> Outcome:
        interval = self._retry_interval()
        assert interval is not None  # else this is not the strategy
        raise RetryLater(f"retrying after {duration_text(interval)}", after=interval)

    async def _take_inventory(self) -> None:
        run, draft = self._run, self._draft
        newest = run.newest
        if newest is None:
            return
        try:
            objects = await run.helm.manifest(newest.version)
        except HelmFailed as error:
            run.report.event("Warning", "InventoryBuildFailed", str(error))
            return
        entries = []
        for manifest in [*objects, *run.definitions]:
            ref = await _placed(run, ref_of(manifest))
            entries.append(ResourceRef(id=id_of(ref), v=ref.api_version.rpartition("/")[2]))
        draft.inventory = ResourceInventory(entries=tuple(entries))


async def _placed(run: Run, ref: ObjectRef) -> ObjectRef:
    """In the release's namespace where it names none and has one."""
    if ref.namespace:
        return ref
    try:
        resource = await run.kube.resource_for(ref.api_version, ref.kind)
    except ApiError:
        return ref
    return replace(ref, namespace=run.helm.namespace) if resource.namespaced else ref


def rendering_digests(release: HelmRelease) -> tuple[str, str]:
    """Of the post-renderers and of the common metadata, "" where there are none. Flux: 2.4."""
    spec = release.spec
    renderers = [msgspec.to_builtins(one) for one in spec.post_renderers]
    return _digest(renderers), _digest(msgspec.to_builtins(spec.common_metadata) if spec.common_metadata else None)


def _digest(value: Any) -> str:
    if not value:
        return ""
    text = msgspec.json.encode(value) + b"\n"
    for sign, escaped in ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026")):
        text = text.replace(sign, escaped)
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def is_requested(release: HelmRelease, annotation: str, handled: str) -> bool:
    """HN9: it counts only together with requestedAt, and once."""
    annotations = release.metadata.annotations
    wanted, requested = annotations.get(annotation, ""), annotations.get(names.REQUESTED_AT, "")
    return wanted != "" and wanted == requested and wanted != handled and requested != release.status.last_handled_reconcile_at


def reset_counters(draft: HelmReleaseStatus) -> None:
    draft.failures = draft.install_failures = draft.upgrade_failures = 0
