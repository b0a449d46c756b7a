"""What applying a stage would do, found by dry runs; every refusal of the stage is told at once.

The dry run's answer tells all that is needed, so a live object is mostly not read beforehand: no resourceVersion means that it is
new; the time on our own managedFields entry moves only when something would change; and other managers' fields show in it. Only
objects with ignored places are read first. Flux: source-kustomize.md 8.7, 8.8.
"""

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fleetloop.kube.changes import Action, ApplySettings, Change
from fleetloop.kube.client import Kube, Preview
from fleetloop.kube.errors import ApiError, Conflict, Unreachable
from fleetloop.kube.ignoring import differs, request_for
from fleetloop.kube.managers import takeover_patch
from fleetloop.kube.objects import Manifest, ref_of, version_of
from fleetloop.kube.pointers import Pointer
from fleetloop.kube.recreate import is_asked_for, may_help, recreate_room
from fleetloop.kube.refusals import Refusal, refused
from fleetloop.kube.switches import is_ignored, says
from fleetloop.kube.unknown_fields import without_unknown_fields
from fleetloop.task_group import TaskGroup

CLOCK_STEP = datetime.timedelta(seconds=2)
TRIES = 5  # dry runs of one object: as it is, after a conflict, without unknown fields, after its deletion, one for bad luck
TURN = 64  # objects, after which others on the loop have theirs
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Planned:
    """`request` is what will be sent: `desired` as Git has it, or what is left of it. `preview`: the dry run's answer, or the
    live object where nothing will be sent; None when nothing was asked. `known`: what is known without asking."""

    desired: Manifest
    request: Manifest
    preview: Manifest | None
    action: Action
    known: Change | None = None
    ignored: tuple[Pointer, ...] = ()
    dropped: tuple[str, ...] = ()


class Refusals(Exception):
    """Objects that cannot be applied, a line each."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("\n".join(str(refusal) for refusal in refusals))
        self.refusals = refusals


async def plan_stage(kube: Kube, stage: Sequence[Manifest], settings: ApplySettings) -> list[Planned]:
    """All dry runs of the stage, `concurrency` at a time. Raises Refusals, Unreachable."""
    planner = _Planner(kube, settings)
    results = await _each(stage, planner.plan, settings.concurrency)
    if refusals := [result for result in results if isinstance(result, Refusal)]:
        raise Refusals(refusals)
    return [result for result in results if isinstance(result, Planned)]


async def look_ahead(kube: Kube, later: Sequence[Manifest], settings: ApplySettings) -> list[Refusal]:
    """What would be refused of the objects whose turn does not come, because an earlier stage was refused. Changes nothing."""
    planner = _Planner(kube, settings)
    results = await _each(later, planner.try_out, settings.concurrency)
    return [result for result in results if isinstance(result, Refusal)]


async def _each(objects: Sequence[Manifest], work: Callable[[Manifest], Awaitable[T]], concurrency: int) -> list[T | Refusal]:
    """In the order of `objects`. Thousands of them that need no request hold up nobody else on the loop."""
    left = iter(enumerate(objects))
    results: dict[int, T | Refusal] = {}
    unreachable: list[Unreachable] = []

    async def works() -> None:
        for number, manifest in left:
            try:
                results[number] = await work(manifest)
            except Refusal as error:
                results[number] = error
            except Unreachable as error:  # as a value: it must not cancel the others, nor come out as a group
                unreachable.append(error)
                return
            if number % TURN == 0:
                await asyncio.sleep(0)

    async with TaskGroup() as group:
        for _ in range(min(concurrency, len(objects))):
            group.create_task(works())
    if unreachable:
        raise unreachable[0]
    return [results[number] for number in range(len(objects))]


@dataclass(frozen=True, slots=True)
class _Planner:
    kube: Kube
    settings: ApplySettings

    async def plan(self, desired: Manifest) -> Planned:
        if known := self.settings.as_it_was(desired):
            return Planned(desired, desired, None, "unchanged", known)
        if is_ignored(desired):
            return Planned(desired, desired, None, "skipped")
        if says(desired, "ssa", "IfNotPresent") and (live := await self._find(desired)):
            return Planned(desired, desired, live, "skipped")
        ignored = self.settings.ignored_in(desired)
        live = await self._find(desired) if ignored else None
        request = request_for(desired, live, ignored, self.settings.manager) if live else desired
        request, preview, dropped = await self._preview(request)
        seen, action = preview.object, self._action(preview, live, ignored)
        if is_ignored(seen):
            return Planned(desired, request, seen, "skipped")
        if action != "created" and not says(seen, "ssa", "Merge") and await self._take_over(desired, seen, ignored):
            request, preview, dropped = await self._preview(request)
            seen, action = preview.object, "configured"
        if live and action == "unchanged":
            seen = live
        return Planned(desired, request, seen, action, None, ignored, dropped)

    async def try_out(self, desired: Manifest) -> None:
        """A dry run for its refusal alone; it changes nothing, where `plan` would delete or take over."""
        if is_ignored(desired) or self.settings.as_it_was(desired):
            return
        try:
            await self.kube.preview(desired, field_manager=self.settings.manager)
        except ApiError as error:
            if without_unknown_fields(desired, error)[1]:
                return
            if may_help(error) and is_asked_for(desired, await self._find(desired), self.settings.force):
                return
            raise self._refused(desired, error) from error

    def _action(self, preview: Preview, live: Manifest | None, ignored: Sequence[Pointer]) -> Action:
        if not version_of(preview.object):
            return "created"
        changes = differs(live, preview.object, ignored) if live else would_change(preview, self.settings.manager)
        return "configured" if changes else "unchanged"

    async def _preview(self, request: Manifest) -> tuple[Manifest, Preview, tuple[str, ...]]:
        """The request as it is accepted, the server's answer, and the fields left out for it."""
        dropped: tuple[str, ...] = ()
        for attempt in range(TRIES):
            try:
                return request, await self.kube.preview(request, field_manager=self.settings.manager), dropped
            except ApiError as error:
                if isinstance(error, Conflict) and attempt == 0:
                    continue  # somebody wrote meanwhile: no reason to delete it
                request, more = without_unknown_fields(request, error)
                if not more:
                    await self._make_room(request, error)
                dropped += more
        raise Refusal(request, "dry-run failed: it is made anew by somebody else each time", file=self.settings.file_of(request))

    async def _make_room(self, request: Manifest, error: ApiError) -> None:
        """Deletes the live object if that is what it takes and is asked for; raises Refusal otherwise."""
        live = await self._find(request) if may_help(error) else None
        if live is None or not is_asked_for(request, live, self.settings.force):
            raise self._refused(request, error) from error
        try:
            await recreate_room(self.kube, request, live, self.settings.patience)
        except ApiError as other:
            raise self._refused(request, other, "recreate") from other
        except TimeoutError as late:
            words = f"is still there {self.settings.patience:g}s after its deletion, which recreating it needs"
            raise Refusal(request, words, file=self.settings.file_of(request)) from late

    async def _take_over(self, desired: Manifest, seen: Manifest, ignored: Sequence[Pointer]) -> bool:
        takeover = self.settings.takeover
        patch = takeover_patch(seen, desired, takeover, ignored)
        if patch:
            try:
                await self.kube.patch(ref_of(desired), patch, patch_type="json")
            except ApiError as error:
                raise self._refused(desired, error) from error
        return bool(patch)

    async def _find(self, desired: Manifest) -> Manifest | None:
        try:
            return await self.kube.find(ref_of(desired))
        except ApiError as error:
            raise self._refused(desired, error) from error

    def _refused(self, desired: Manifest, error: ApiError, step: str = "dry-run") -> Refusal:
        return refused(self.kube, desired, error, step, self.settings.file_of(desired))


def would_change(preview: Preview, manager: str) -> bool:
    """Our entry's time is set to now by an apply that changes something, and kept by one that does not.

    Both times are the server's. They are whole seconds, so an entry written a second ago counts as changed; the apply that
    follows is then a no-op, and its unchanged resourceVersion says so.
    """
    for entry in preview.object["metadata"].get("managedFields") or []:
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            since = entry.get("time")  # absent while another manager's equal fields are all that is ours
            return not since or datetime.datetime.fromisoformat(since) >= preview.started - CLOCK_STEP
    return True
