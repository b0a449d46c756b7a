"""COUNT OCIRepositories and COUNT HelmCharts of one chart in a registry: from the object to its artifact."""

import asyncio
import io
import time
from collections.abc import Callable

from bench.applications import NAMESPACE, SOURCE_API, condition_of
from bench.following import Follower
from bench.phases import LONG, PATIENCE, Floor, Phase, at_once, measured, status_floor, timed_floor, until_quiet
from bench.place import ControllerProcess, Place
from bench.registry import LocalRegistry, registry_in
from bench.releases import FIRST, chart
from bench.report import Section
from fleetloop.api import names
from fleetloop.kube import Manifest
from fleetloop.oci.content import HELM_CHART, HELM_CONFIG

LIMIT = 1 << 20  # bytes of a chart
Made = Callable[[LocalRegistry, int], Manifest]


async def measure(place: Place, section: Section, count: int) -> None:
    async with registry_in(place.folder.path / "registry") as registry:
        await registry.push("charts/app", [FIRST], chart(FIRST).archive(), HELM_CHART, HELM_CONFIG)
        async with place.controller(names.SOURCE_CONTROLLER) as controller:
            await place.kube.apply(_helm_repository(registry))
            for made in (_oci_repository, _helm_chart):
                section.add(await _created(place, controller, registry, made, count))
        for phase, ask in zip(section.phases, (_pull, _choose_and_pull), strict=True):
            pulls = await timed_floor(place, f"{phase.name}: pulls", [ask(registry) for _ in range(count)])
            writes = await _written(place, phase.name)
            section.floors += [pulls, writes]
            phase.floor = pulls + writes


async def _created(place: Place, controller: ControllerProcess, registry: LocalRegistry, made: Made, count: int) -> Phase:
    """From the first request that creates one until all are Ready."""
    manifests = [made(registry, number) for number in range(count)]
    kind = manifests[0]["kind"]
    async with Follower(place.kube, SOURCE_API, kind).running() as live, measured(kind, count, place, controller) as phase:
        started = time.monotonic()
        with registry.counting_for(phase):
            async with asyncio.TaskGroup() as group:
                group.create_task(live.until_all(count, is_ready, PATIENCE))
                group.create_task(at_once([place.kube.create(manifest) for manifest in manifests]))
        phase.seconds = time.monotonic() - started
        await until_quiet(place)
    return phase


async def _pull(registry: LocalRegistry) -> None:
    """A tag's manifest and its layer, as one that has nothing yet must ask for them."""
    repository = registry.repository("charts/app")
    manifest = await registry.client.manifest(repository.tagged(FIRST))
    await registry.client.blob(repository, manifest.layers[0].digest, io.BytesIO(), LIMIT)


async def _choose_and_pull(registry: LocalRegistry) -> None:
    await registry.client.tags(registry.repository("charts/app"))
    await _pull(registry)


async def _written(place: Place, kind: str) -> Floor:
    return await status_floor(place, f"{kind}: status", await place.kube.list(SOURCE_API, kind, NAMESPACE))


def is_ready(live: Manifest) -> bool:
    seen = (live.get("status") or {}).get("observedGeneration") == live["metadata"]["generation"]
    return seen and condition_of(live, "Ready").get("status") == "True"


def _helm_repository(registry: LocalRegistry) -> Manifest:
    spec = {"type": "oci", "insecure": True, "interval": LONG, "url": f"oci://{registry.address}/charts"}
    return _source("HelmRepository", "charts", spec)


def _oci_repository(registry: LocalRegistry, number: int) -> Manifest:
    spec = {"interval": LONG, "insecure": True, "url": f"oci://{registry.address}/charts/app", "ref": {"tag": FIRST}}
    spec |= {"layerSelector": {"mediaType": HELM_CHART, "operation": "copy"}}
    return _source("OCIRepository", f"app-{number:04}", spec)


def _helm_chart(registry: LocalRegistry, number: int) -> Manifest:
    spec = {"interval": LONG, "chart": "app", "version": ">=1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}
    return _source("HelmChart", f"app-{number:04}", spec)


def _source(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": SOURCE_API, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
