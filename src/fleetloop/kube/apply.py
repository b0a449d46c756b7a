"""Brings objects to the cluster by server-side apply: in stages, each dry-run whole before anything of it is written.

The dry run's answer tells all that is needed, so a live object is not read beforehand: no resourceVersion means it is new; the
time on our own managedFields entry moves only when something would change; and other managers' fields show in it.
Flux: source-kustomize.md 8.7 (SK26).
"""

import asyncio
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fleetloop.kube.client import Kube, Preview
from fleetloop.kube.errors import ApiError, Conflict, Invalid, KindUnknown, NotFound, Unreachable
from fleetloop.kube.kstatus import health_of
from fleetloop.kube.managers import takeover_patch
from fleetloop.kube.objects import Manifest, ObjectRef, fingerprint_of, ref_of, version_of
from fleetloop.kube.stages import is_defining, stages_of
from fleetloop.kube.switches import is_ignored, says

Action = Literal["created", "configured", "unchanged", "skipped"]
STAGE_TIMEOUT = 60.0
DISCOVERY_POLL = 0.1
CLOCK_STEP = datetime.timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object; `version` is its resourceVersion afterwards, 0 when it was skipped unseen; `fingerprint`: see
    objects.fingerprint_of."""

    ref: ObjectRef
    action: Action
    version: int = 0
    fingerprint: bytes = b""

    def __str__(self) -> str:
        return f"{self.ref} {self.action}"


AsItWas = Callable[[Manifest], Change | None]


def nothing_is_known(_: Manifest) -> None:
    """Every object is asked for."""


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """`manager` owns the fields; `concurrency` bounds dry runs; `force` deletes and recreates what cannot be changed in place.

    `as_it_was` knows the objects that need no request, since they are as they were last applied (`last_applied`).
    """

    manager: str
    concurrency: int = 4
    force: bool = False
    custom_stage_kinds: frozenset[tuple[str, str]] = frozenset()
    taken_over: tuple[str, ...] = ()
    as_it_was: AsItWas = nothing_is_known


@dataclass(slots=True)
class ChangeSet:
    changes: list[Change] = field(default_factory=list)

    @property
    def refs(self) -> list[ObjectRef]:
        return [change.ref for change in self.changes]

    def lines(self) -> list[str]:
        """What a user wants to read: created and configured objects."""
        return [str(change) for change in self.changes if change.action in {"created", "configured"}]


class ApplyFailed(Exception):
    """One object could not be applied. `changes` tells what was done before; the message names the object."""

    def __init__(self, message: str, changes: ChangeSet) -> None:
        super().__init__(message)
        self.changes = changes


@dataclass(frozen=True, slots=True)
class _Planned:
    desired: Manifest
    preview: Manifest | None  # the dry run's answer; None: skipped
    action: Action
    known: Change | None = None  # nothing was asked


async def apply_in_stages(
    kube: Kube, objects: Sequence[Manifest], settings: ApplySettings, stage_ready: "StageReady"
) -> ChangeSet:
    """Raises ApplyFailed. `stage_ready` waits until the defining objects just applied are in effect."""
    done = ChangeSet()
    for stage in stages_of(objects, settings.custom_stage_kinds):
        applied: list[Manifest | None] = []
        try:
            for item in await _plan_stage(kube, stage, settings):
                change, live = await _carry_out(kube, item, settings)
                done.changes.append(change)
                applied.append(live)
        except _Refused as error:
            raise ApplyFailed(str(error), done) from error
        waiting = [live for live in applied if live and is_defining(ref_of(live)) and health_of(live).status != "Current"]
        try:
            await stage_ready(kube, waiting, STAGE_TIMEOUT)
        except ApiError as error:
            raise ApplyFailed(f"waiting for {', '.join(str(ref_of(live)) for live in waiting)}: {error.message}", done) from error
        except TimeoutError as error:
            names = ", ".join(f"{ref_of(live)} status: '{health_of(live).status}'" for live in waiting)
            raise ApplyFailed(f"timeout waiting for: [{names}]", done) from error
    return done


StageReady = Callable[[Kube, Sequence[Manifest], float], Awaitable[None]]


async def until_current(kube: Kube, objects: Sequence[Manifest], timeout: float) -> None:
    """Waits on one watch an object until each is Current. Raises TimeoutError, ApiError, Unreachable."""
    try:
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            for manifest in objects:
                group.create_task(_current(kube, manifest))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the first ended the others


async def _current(kube: Kube, manifest: Manifest) -> None:
    async for live in _versions(kube, manifest):
        if health_of(live).status == "Current":
            break
    if manifest["kind"] == "CustomResourceDefinition":
        await _served(kube, manifest)


async def _served(kube: Kube, definition: Manifest) -> None:
    """An established definition shows in discovery a moment later, and until then its objects are of no known kind."""
    spec = definition["spec"]
    for version in spec["versions"]:
        while version["served"]:
            try:
                await kube.resource_for(f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                break
            except KindUnknown:
                await asyncio.sleep(DISCOVERY_POLL)  # discovery cannot be watched


async def _versions(kube: Kube, manifest: Manifest) -> AsyncIterator[Manifest]:
    """A stream that the server ends is opened again, at once or when it says; the timeout is the caller's."""
    ref = ref_of(manifest)
    while True:
        try:
            async for event in kube.watch(ref.api_version, ref.kind, ref.namespace, field_selector=f"metadata.name={ref.name}"):
                yield event.object
        except ApiError as error:
            if error.status not in {410, 504}:  # its caches are behind: "Too large resource version"
                raise
            await asyncio.sleep(float(error.details.get("retryAfterSeconds") or 1))


class _Refused(Exception):
    """An object that cannot be applied; the message names it."""


async def _plan_stage(kube: Kube, stage: Sequence[Manifest], settings: ApplySettings) -> list[_Planned]:
    """All dry runs of the stage, `concurrency` at a time; every refusal is told, a line each. Raises _Refused, Unreachable."""
    slots = asyncio.Semaphore(settings.concurrency)

    async def bounded(manifest: Manifest) -> _Planned | _Refused | Unreachable:
        if known := settings.as_it_was(manifest):
            return _Planned(manifest, None, "unchanged", known)
        async with slots:
            try:
                return await _plan(kube, manifest, settings)
            except (_Refused, Unreachable) as error:
                return error  # as a value: one must not cancel the others, nor come out as a group

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bounded(manifest)) for manifest in stage]
    results = [task.result() for task in tasks]
    for result in results:
        if isinstance(result, Unreachable):
            raise result
    if refusals := [str(result) for result in results if isinstance(result, _Refused)]:
        raise _Refused("\n".join(refusals))
    return [result for result in results if isinstance(result, _Planned)]


async def _plan(kube: Kube, desired: Manifest, settings: ApplySettings) -> _Planned:
    if is_ignored(desired):
        return _Planned(desired, None, "skipped")
    if says(desired, "ssa", "IfNotPresent") and (live := await _found(kube, desired)):
        return _Planned(desired, live, "skipped")
    preview = await _preview(kube, desired, settings)
    if is_ignored(preview.object):
        return _Planned(desired, preview.object, "skipped")
    if not version_of(preview.object):
        return _Planned(desired, preview.object, "created")
    if not says(preview.object, "ssa", "Merge"):
        patch = takeover_patch(preview.object, settings.manager, settings.taken_over)
        if patch:
            await _take_over(kube, desired, patch)
            preview = await _preview(kube, desired, settings)
            return _Planned(desired, preview.object, "configured")
    return _Planned(desired, preview.object, "configured" if _would_change(preview, settings.manager) else "unchanged")


async def _preview(kube: Kube, desired: Manifest, settings: ApplySettings) -> Preview:
    try:
        return await kube.preview(desired, field_manager=settings.manager)
    except ApiError as error:
        if not _is_immutable(error) or not await _may_recreate(kube, desired, settings):
            raise _refusal(desired, error) from error
    await _delete_and_wait(kube, desired)
    return await _preview(kube, desired, settings)


async def _carry_out(kube: Kube, item: _Planned, settings: ApplySettings) -> tuple[Change, Manifest | None]:
    ref = ref_of(item.desired)
    if item.known:
        return item.known, None
    if item.action in {"skipped", "unchanged"}:
        return _change(ref, item.action, item.preview), item.preview
    try:
        live = await kube.apply(item.desired, field_manager=settings.manager)
    except ApiError as error:
        raise _Refused(f"{ref} apply failed ({error.reason}): {error.message}") from error
    nothing = item.action == "configured" and version_of(live) == version_of(item.preview or {})
    return _change(ref, "unchanged" if nothing else item.action, live), live


def _change(ref: ObjectRef, action: Action, live: Manifest | None) -> Change:
    return Change(ref, action, version_of(live), fingerprint_of(live)) if live else Change(ref, action)


async def _take_over(kube: Kube, desired: Manifest, patch: list[dict[str, object]]) -> None:
    try:
        await kube.patch(ref_of(desired), patch, patch_type="json")
    except ApiError as error:
        raise _refusal(desired, error) from error


async def _found(kube: Kube, desired: Manifest) -> Manifest | None:
    try:
        return await kube.find(ref_of(desired))
    except ApiError as error:
        raise _refusal(desired, error) from error


async def _may_recreate(kube: Kube, desired: Manifest, settings: ApplySettings) -> bool:
    return settings.force or says(desired, "force", "enabled") or says(await _found(kube, desired), "force", "enabled")


async def _delete_and_wait(kube: Kube, desired: Manifest) -> None:
    """Background delete, then until it is gone: a finalizer may hold it."""
    live, ref = await _found(kube, desired), ref_of(desired)
    if live is None:
        return
    try:
        async with asyncio.timeout(STAGE_TIMEOUT):
            await kube.delete(ref, uid=live["metadata"]["uid"])
            await _gone(kube, ref, live["metadata"]["uid"])
    except NotFound:
        return
    except ApiError as error:
        raise _Refused(f"{ref} delete failed ({error.reason}): {error.message}") from error
    except TimeoutError as error:
        raise _Refused(f"{ref} is still there {STAGE_TIMEOUT:g}s after its deletion, which recreating it needs") from error


async def _gone(kube: Kube, ref: ObjectRef, uid: str) -> None:
    while True:
        _, version = await kube.list_with_version(
            ref.api_version, ref.kind, ref.namespace, field_selector=f"metadata.name={ref.name}"
        )
        live = await kube.find(ref)
        if live is None or live["metadata"]["uid"] != uid:
            return
        selector = f"metadata.name={ref.name}"
        async for event in kube.watch(ref.api_version, ref.kind, ref.namespace, "", selector, version):
            if event.type == "DELETED":
                return


def _is_immutable(error: ApiError) -> bool:
    return isinstance(error, Conflict | Invalid) or "is immutable" in error.message or "immutable field" in error.message


def _refusal(desired: Manifest, error: ApiError) -> _Refused:
    ref = ref_of(desired)
    if error.reason == "BadRequest" and "namespace not specified" in error.message:
        return _Refused(f"{ref} namespace not specified: the server could not find the requested resource")
    if isinstance(error, NotFound) and 'namespaces "' in error.message:
        return _Refused(f"{ref} dry-run failed (NotFound): {error.message}")
    return _Refused(f"{ref} dry-run failed ({error.reason}): {error.message}")


def _would_change(preview: Preview, manager: str) -> bool:
    """Our entry's time is set to now by an apply that changes something, and kept by one that does not.

    Both times are the server's. They are whole seconds, so an entry written a second ago counts as changed; the apply that
    follows is then a no-op, and its unchanged resourceVersion says so.
    """
    for entry in preview.object["metadata"].get("managedFields") or []:
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return datetime.datetime.fromisoformat(entry["time"]) >= preview.started - CLOCK_STEP
    return True
