"""A repository of many files of which one changes: all objects in one Kustomization, then the same files in fifty, by path."""

import time

from bench.applications import (
    APPLICATION,
    FLOOR_NAMESPACE,
    NAMESPACE,
    SETTINGS,
    is_ready,
    kustomization,
    objects_of,
    source_ref,
    written_out,
)
from bench.phases import LONG, PATIENCE, Phase, floor_of, measured, measured_for, until_quiet
from bench.place import ControllerProcess, Place
from bench.report import Section
from bench.revisions import Revision
from fleetloop.api import names
from fleetloop.kube import Manifest
from fleetloop.kube.objects import ref_of

FILES = APPLICATION | {"configmap.yaml": SETTINGS}
SIZE = len(FILES)
TEAMS = 50
IDLE_SECONDS, SHORT = 100.0, "30s"
CHANGED = "team-07/app-0007/configmap.yaml"
SOURCE = source_ref("monorepo")


def revision(applications: int, tag: str = "v1") -> Revision:
    """Other tags have one file that differs."""
    files = {
        f"{team_of(number)}/app-{number:04}/{name}": written_out(text, number, NAMESPACE, "v1")
        for number in range(applications)
        for name, text in FILES.items()
    }
    return Revision(tag, files | {CHANGED: written_out(SETTINGS, 7, NAMESPACE, tag)})


def team_of(number: int) -> str:
    return f"team-{number % TEAMS:02}"


def in_one() -> list[Manifest]:
    return [kustomization("whole", SOURCE.name, "./", LONG)]


def by_path() -> list[Manifest]:
    return [kustomization(team_of(number), SOURCE.name, f"./{team_of(number)}", LONG) for number in range(TEAMS)]


async def measure(place: Place, section: Section, objects: int, kustomizations: list[Manifest]) -> None:
    applications = objects // SIZE
    before, after = revision(applications, "v1"), revision(applications, "v2")
    async with place.controller(names.KUSTOMIZE_CONTROLLER) as controller:
        created = section.add(await _applied(place, controller, "created", kustomizations, before))
        changed = section.add(await _applied(place, controller, "one file changed", kustomizations, after))
        section.add(await _no_change(place, controller, kustomizations, after))
    applied = [each for number in range(applications) for each in objects_of(FILES, number, FLOOR_NAMESPACE, "v1")]
    applies = await floor_of(place, "applies", applied)
    dry_runs = await floor_of(place, "no-change dry runs", applied, dry_run=True)
    one = await floor_of(place, "one apply", objects_of(FILES, 7, FLOOR_NAMESPACE, "v2")[-1:])
    section.floors += [applies, dry_runs, one]
    created.floor, changed.floor = applies, dry_runs + one


async def _applied(
    place: Place, controller: ControllerProcess, name: str, kustomizations: list[Manifest], state: Revision
) -> Phase:
    """From the new artifact in the source's status until all are Ready at it."""
    async with place.kustomizations() as live, measured(name, len(kustomizations), place, controller) as phase:
        started = time.monotonic()
        await place.publish(SOURCE, state)
        for manifest in kustomizations:
            await place.kube.apply(manifest)
        await live.until_all(len(kustomizations), lambda found: is_ready(found, state.name), PATIENCE)
        phase.seconds = time.monotonic() - started
        await until_quiet(place)
    return phase


async def _no_change(place: Place, controller: ControllerProcess, kustomizations: list[Manifest], state: Revision) -> Phase:
    async with place.kustomizations() as live:
        for manifest in kustomizations:
            await place.kube.patch(ref_of(manifest), {"spec": {"interval": SHORT}})
        await live.until_all(len(kustomizations), lambda found: is_ready(found, state.name) and is_short(found), PATIENCE)
    await until_quiet(place)
    return await measured_for(IDLE_SECONDS, f"no change, at {SHORT}", place, controller)


def is_short(found: Manifest) -> bool:
    return bool(found["spec"]["interval"] == SHORT)
