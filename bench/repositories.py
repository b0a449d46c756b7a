"""source-controller: from a commit to its artifact in a repository of many files, and idle passes over many repositories."""

import asyncio
import os
import time
from functools import partial
from pathlib import Path

from bench.applications import NAMESPACE, SOURCE_API, condition_of, source, source_ref, written_out
from bench.applications import SETTINGS as FILE
from bench.following import Follower
from bench.forge import Clone, forge_in
from bench.monorepo import CHANGED, SIZE, revision
from bench.phases import LONG, PATIENCE, Phase, at_once, measured, measured_for, until_quiet
from bench.place import ControllerProcess, Place
from bench.report import Section
from fleetloop.api import names
from fleetloop.kube import Manifest
from fleetloop.storage.tarball import write_tarball

COMMITS = 10
SHORT, IDLE_SECONDS = "30s", 90.0
SECRET = {"secretRef": {"name": "forge"}, "ref": {"branch": "main"}}


async def measure(place: Place, section: Section, files: int, repositories: int) -> None:
    async with forge_in(place.folder.path / "forge") as forge, place.controller(names.SOURCE_CONTROLLER) as controller:
        big, small = await forge.repository("big"), await forge.repository("small")
        await place.kube.apply(forge.secret("forge"))
        sha = await big.push(revision(files // SIZE).files)
        await small.push({"README.md": "one file\n"})
        async with Follower(place.kube, SOURCE_API, "GitRepository").running() as live:
            section.add(await _first(place, controller, live, big, sha))
            section.add(await _commits(place, controller, live, big))
            section.add(await _idle(place, controller, live, small, repositories))
        tree = big.folder
        section.figures["its tree to a tarball, seconds"] = await asyncio.to_thread(_seconds_to_archive, tree)


async def _first(place: Place, controller: ControllerProcess, live: Follower, clone: Clone, sha: str) -> Phase:
    """From the new object to its artifact."""
    async with measured("created", 1, place, controller) as phase:
        started = time.monotonic()
        await place.kube.apply(source("big", clone.url, LONG, **SECRET))
        await live.until(source_ref("big"), partial(is_stored, sha), PATIENCE)
        phase.seconds = time.monotonic() - started
        await until_quiet(place)
    return phase


async def _commits(place: Place, controller: ControllerProcess, live: Follower, clone: Clone) -> Phase:
    """From the request that a webhook makes after a push, to the new artifact."""
    async with measured("one file changed", COMMITS, place, controller) as phase:
        for number in range(COMMITS):
            sha = await clone.push({CHANGED: written_out(FILE, 7, NAMESPACE, f"commit-{number}")})
            started = time.monotonic()
            asked = {"metadata": {"annotations": {names.REQUESTED_AT: str(number)}}}
            await place.kube.patch(source_ref("big"), asked)
            await live.until(source_ref("big"), partial(is_stored, sha), PATIENCE)
            phase.latencies.append(time.monotonic() - started)
        phase.seconds = sum(phase.latencies)
        await until_quiet(place)
    return phase


async def _idle(place: Place, controller: ControllerProcess, live: Follower, clone: Clone, count: int) -> Phase:
    """Passes over repositories in which nothing changes."""
    found = [source(f"small-{number:03}", clone.url, SHORT, **SECRET) for number in range(count)]
    await at_once([place.kube.apply(manifest) for manifest in found])
    await live.until_all(count + 1, is_ready, PATIENCE)
    await until_quiet(place)
    return await measured_for(IDLE_SECONDS, f"no change, {count} of one file at {SHORT}", place, controller)


def is_stored(sha: str, found: Manifest | None) -> bool:
    artifact = ((found or {}).get("status") or {}).get("artifact") or {}
    return str(artifact.get("revision")).endswith(sha)


def is_ready(found: Manifest) -> bool:
    return condition_of(found, "Ready").get("status") == "True"


def _seconds_to_archive(tree: Path) -> float:
    """The same files as the artifact, and nothing but the archive; git's own are a part of it."""
    started = time.monotonic()
    with open(os.devnull, "wb") as out:
        write_tarball(tree, out)
    return time.monotonic() - started
