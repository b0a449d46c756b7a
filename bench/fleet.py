"""COUNT Kustomizations on one artifact, four objects each: created, updated; then what foreign writes and idle passes cost."""

import asyncio
import time

from bench import drift
from bench.applications import (
    APPLICATION,
    FLOOR_NAMESPACE,
    KUSTOMIZE_API,
    NAMESPACE,
    application_kustomization,
    application_name,
    application_revision,
    is_ready,
    objects_of,
    source_ref,
)
from bench.following import Follower
from bench.phases import LONG, PATIENCE, Floor, Phase, at_once, floor_of, measured, measured_for, until_quiet
from bench.place import ControllerProcess, Place
from bench.report import Section
from fleetloop.api import names
from fleetloop.kube import ObjectRef

FIRST, SECOND = application_revision("v1"), application_revision("v2")
SOURCE = source_ref("apps")
SHORT = "1m"


async def measure(place: Place, section: Section, count: int, no_change_seconds: float) -> None:
    """`no_change_seconds`: 0 for created and updated alone."""
    async with place.controller(names.KUSTOMIZE_CONTROLLER) as controller:
        section.add(await _created(place, controller, count))
        section.add(await _updated(place, controller, count))
        if no_change_seconds:
            section.add(await drift.measure(place, controller))
            section.add(await _no_change(place, controller, count, no_change_seconds))
    applies, dry_runs = await _floor(place, count)  # last: its objects would be in the controller's caches
    section.floors += [applies, dry_runs]
    for phase in section.phases[:2]:
        phase.floor = applies


async def _created(place: Place, controller: ControllerProcess, count: int) -> Phase:
    """From the first request that creates a Kustomization until all are Ready."""
    await place.publish(SOURCE, FIRST)
    async with place.kustomizations() as live, measured("created", count, place, controller) as phase:
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(live.until_all(count, lambda found: is_ready(found, FIRST.name), PATIENCE))
            group.create_task(at_once([place.kube.create(application_kustomization(n, LONG)) for n in range(count)]))
        phase.seconds = time.monotonic() - started
        await until_quiet(place)
    return phase


async def _updated(place: Place, controller: ControllerProcess, count: int) -> Phase:
    """From the new artifact in the source's status until all are Ready at it."""
    async with place.kustomizations() as live, measured("updated", count, place, controller) as phase:
        started = time.monotonic()
        await place.publish(SOURCE, SECOND)
        await live.until_all(count, lambda found: is_ready(found, SECOND.name), PATIENCE)
        phase.seconds = time.monotonic() - started
        await until_quiet(place)
    return phase


async def _no_change(place: Place, controller: ControllerProcess, count: int, seconds: float) -> Phase:
    refs = [ObjectRef(KUSTOMIZE_API, "Kustomization", NAMESPACE, application_name(number)) for number in range(count)]
    await at_once([place.kube.patch(ref, {"spec": {"interval": SHORT}}) for ref in refs])
    async with place.kustomizations() as live:
        await _until_short(live, count)
    await until_quiet(place)
    return await measured_for(seconds, f"no change, {seconds:g} s at {SHORT}", place, controller)


async def _until_short(live: Follower, count: int) -> None:
    await live.until_all(count, lambda found: is_ready(found, SECOND.name) and found["spec"]["interval"] == SHORT, PATIENCE)


async def _floor(place: Place, count: int) -> tuple[Floor, Floor]:
    objects = [each for number in range(count) for each in objects_of(APPLICATION, number, FLOOR_NAMESPACE, "v1")]
    applies = await floor_of(place, "applies", objects)
    return applies, await floor_of(place, "no-change dry runs", objects, dry_run=True)
