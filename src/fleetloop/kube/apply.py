"""Brings objects to the cluster by server-side apply: in stages, each dry-run whole before anything of it is written.

What a dry run finds is in `plan`. Flux: source-kustomize.md 8.7 (SK26).
"""

from collections.abc import Sequence
from itertools import groupby

from fleetloop.kube.changes import ApplySettings, AsItWas, Change, ChangeSet, change_of
from fleetloop.kube.client import Kube
from fleetloop.kube.definitions import StageReady, until_current
from fleetloop.kube.errors import ApiError, Forbidden, KindUnknown, NotFound, Unreachable
from fleetloop.kube.kstatus import health_of
from fleetloop.kube.objects import Manifest, ref_of, version_of
from fleetloop.kube.plan import Planned, Refusals, look_ahead, plan_stage
from fleetloop.kube.refusals import Refusal, refused
from fleetloop.kube.stages import is_defining, stages_of
from fleetloop.task_group import TaskGroup

__all__ = ["ApplyFailed", "ApplySettings", "AsItWas", "Change", "ChangeSet", "StageReady", "apply_in_stages", "until_current"]
STAGE_TIMEOUT = 60.0


class ApplyFailed(Exception):
    """Objects could not be applied. `changes` tells what was done before; the message names each, a line for each."""

    def __init__(self, message: str, changes: ChangeSet) -> None:
        super().__init__(message)
        self.changes = changes


async def apply_in_stages(
    kube: Kube, objects: Sequence[Manifest], settings: ApplySettings, stage_ready: StageReady, done: ChangeSet | None = None
) -> ChangeSet:
    """Raises ApplyFailed, Unreachable. `stage_ready` waits until the defining objects just applied are in effect. `done` is
    filled and given back: whoever passes it knows what was done, however it ends."""
    done = ChangeSet() if done is None else done
    stages = stages_of(objects, settings.custom_stage_kinds)
    for number, stage in enumerate(stages):
        try:
            planned = await plan_stage(kube, stage, settings)
        except Refusals as error:
            later = [manifest for following in stages[number + 1 :] for manifest in following]
            more = await _refused_later(kube, later, objects, settings)
            raise ApplyFailed(str(Refusals([*error.refusals, *more])), done) from error
        applied: list[Manifest] = []
        for _, same_kind in groupby(planned, key=lambda item: (item.desired["apiVersion"], item.desired["kind"])):
            applied += await _carry_out_all(kube, list(same_kind), settings, done)
        await _settle(kube, applied, stage_ready, done)
    return done


async def _carry_out_all(kube: Kube, items: Sequence[Planned], settings: ApplySettings, done: ChangeSet) -> list[Manifest]:
    """Objects of one kind, `concurrency` at a time. After a refusal none is begun; those on their way are waited for."""
    order = {ref_of(item.desired): number for number, item in enumerate(items)}
    left, start = iter(items), len(done.changes)
    applied: list[Manifest] = []
    ends: list[Refusal | Unreachable] = []

    async def works() -> None:
        for item in left:
            try:
                change, live = await _carry_out(kube, item, settings)
            except (Refusal, Unreachable) as error:
                ends.append(error)
            else:
                done.changes.append(change)
                applied.extend([live] if live else [])
            if ends:
                return

    async with TaskGroup() as group:
        for _ in range(min(settings.concurrency, len(items))):
            group.create_task(works())
    refusals = [error for error in ends if isinstance(error, Refusal)]
    done.changes += [Change(error.ref, "unknown") for error in refusals if error.error and error.error.status >= 500]
    done.changes[start:] = sorted(done.changes[start:], key=lambda change: order[change.ref])
    if len(refusals) < len(ends):
        raise next(error for error in ends if isinstance(error, Unreachable))
    if refusals:
        raise ApplyFailed("\n".join(map(str, refusals)), done) from refusals[0]
    return applied


async def _refused_later(
    kube: Kube, later: Sequence[Manifest], objects: Sequence[Manifest], settings: ApplySettings
) -> list[Refusal]:
    """Without those that objects of this very apply, which have not come about, might have prevented."""
    try:
        refusals = await look_ahead(kube, later, settings)
    except Unreachable:
        return []  # what was refused before is worth more than that
    defined = {_defined_by(manifest) for manifest in objects if manifest["kind"] == "CustomResourceDefinition"}
    namespaces = {ref_of(manifest).name for manifest in objects if manifest["kind"] == "Namespace"}
    brings_rights = any(manifest["kind"] == "ClusterRole" for manifest in objects)

    def may_be_prevented(refusal: Refusal) -> bool:
        match refusal.error:
            case KindUnknown():
                return (refusal.ref.group, refusal.ref.kind) in defined
            case NotFound():
                return refusal.ref.namespace in namespaces
            case Forbidden():
                return brings_rights
        return False

    return [refusal for refusal in refusals if not may_be_prevented(refusal)]


def _defined_by(definition: Manifest) -> tuple[str, str]:
    spec = definition.get("spec") or {}
    return (str(spec.get("group")), str((spec.get("names") or {}).get("kind")))


async def _settle(kube: Kube, applied: Sequence[Manifest], stage_ready: StageReady, done: ChangeSet) -> None:
    waiting = [live for live in applied if is_defining(ref_of(live)) and health_of(live).status != "Current"]
    try:
        await stage_ready(kube, waiting, STAGE_TIMEOUT)
    except ApiError as error:
        raise ApplyFailed(f"waiting for {', '.join(str(ref_of(live)) for live in waiting)}: {error.message}", done) from error
    except TimeoutError as error:
        names = ", ".join(f"{ref_of(live)} status: '{health_of(live).status}'" for live in waiting)
        raise ApplyFailed(f"timeout waiting for: [{names}]", done) from error


async def _carry_out(kube: Kube, item: Planned, settings: ApplySettings) -> tuple[Change, Manifest | None]:
    ref = ref_of(item.desired)
    if item.known:
        return item.known, None
    if item.action in {"skipped", "unchanged"}:
        return change_of(ref, item.action, item.preview, item.ignored, item.dropped, settings.takeover), item.preview
    try:
        live = await kube.apply(item.request, field_manager=settings.manager)
    except ApiError as error:
        raise refused(kube, item.desired, error, "apply", settings.file_of(item.desired)) from error
    nothing = item.action == "configured" and version_of(live) == version_of(item.preview or {})
    return change_of(ref, "unchanged" if nothing else item.action, live, item.ignored, item.dropped, settings.takeover), live
