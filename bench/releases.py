"""COUNT HelmReleases of one OCI chart, four objects each: installed, upgraded, and passes over what nobody changed."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from bench.applications import APPLICATION, FLOOR_NAMESPACE, NAMESPACE, SOURCE_API, application_name, condition_of, objects_of
from bench.following import Follower
from bench.phases import LONG, PATIENCE, Floor, Phase, at_once, floor_of, measured, measured_for, until_quiet
from bench.place import ControllerProcess, Place
from bench.report import Section
from bench.revisions import Revision
from fleetloop.api import names
from fleetloop.kube import Manifest, ObjectRef

HELM_API = "helm.toolkit.fluxcd.io/v2"
SOURCE = ObjectRef(SOURCE_API, "OCIRepository", NAMESPACE, "chart")
FIRST, SECOND = "1.0.0", "1.1.0"
SHORT = "1m"
TEST = """\
apiVersion: batch/v1
kind: Job
metadata: {name: "${name}-test", namespace: "${namespace}", annotations: {helm.sh/hook: test}}
spec:
  completions: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: test, image: registry.example.com/app:IMAGE_TAG}]
"""


def chart(version: str) -> Revision:
    """The application as a chart, whose version is the image's tag. Its test has nothing to run: no node is needed."""
    texts = APPLICATION | {"test.yaml": TEST}
    templates = {f"app/templates/{name}": _template_of(text) for name, text in texts.items()}
    about = f"apiVersion: v2\nname: app\nversion: {version}\nappVersion: {version}\n"
    return Revision(version, templates | {"app/Chart.yaml": about, "app/values.yaml": "{}\n"})


def _template_of(text: str) -> str:
    marks = {"${name}": "{{ .Release.Name }}", "${namespace}": "{{ .Release.Namespace }}", "IMAGE_TAG": "{{ .Chart.AppVersion }}"}
    for mark, action in marks.items():
        text = text.replace(mark, action)
    return text


def release(number: int, *, tested: bool) -> Manifest:
    return {
        "apiVersion": HELM_API,
        "kind": "HelmRelease",
        "metadata": {"name": application_name(number), "namespace": NAMESPACE},
        "spec": {
            "interval": LONG,
            "timeout": "10m",
            "chartRef": {"kind": SOURCE.kind, "name": SOURCE.name},
            "test": {"enable": tested},
        },
    }


def is_released(live: Manifest, version: str) -> bool:
    """A HelmRelease that is Ready for this generation, with a chart of this version."""
    status = live.get("status") or {}
    newest: Manifest = next(iter(status.get("history") or ()), {})
    return (
        condition_of(live, "Ready").get("status") == "True"
        and status.get("observedGeneration") == live["metadata"]["generation"]
        and str(newest.get("chartVersion")).startswith(f"{version}+")
    )


async def measure(place: Place, section: Section, count: int, no_change_seconds: float, tested: bool) -> None:
    """`no_change_seconds`: 0 for installed and upgraded alone."""
    async with place.controller(names.HELM_CONTROLLER) as controller:
        section.add(await _installed(place, controller, count, tested))
        section.add(await _upgraded(place, controller, count))
        if no_change_seconds:
            section.add(await _no_change(place, controller, count, no_change_seconds))
    applies = await _floor(place, count, tested)
    section.floors.append(applies)
    for phase in section.phases[:2]:
        phase.floor = applies


async def _installed(place: Place, controller: ControllerProcess, count: int, tested: bool) -> Phase:
    """From the first request that creates a HelmRelease until all are Ready."""
    await _publish(place, FIRST)
    async with _releases(place) as live, measured("installed", count, place, controller) as phase:
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(live.until_all(count, _released(FIRST), PATIENCE))
            group.create_task(at_once([place.kube.create(release(number, tested=tested)) for number in range(count)]))
        phase.seconds = time.monotonic() - started
        await until_quiet(place)
    return phase


async def _upgraded(place: Place, controller: ControllerProcess, count: int) -> Phase:
    """From the new chart in the source's status until all are Ready with it."""
    async with _releases(place) as live, measured("upgraded", count, place, controller) as phase:
        started = time.monotonic()
        await _publish(place, SECOND)
        await live.until_all(count, _released(SECOND), PATIENCE)
        phase.seconds = time.monotonic() - started
        await until_quiet(place)
    return phase


async def _no_change(place: Place, controller: ControllerProcess, count: int, seconds: float) -> Phase:
    refs = [ObjectRef(HELM_API, "HelmRelease", NAMESPACE, application_name(number)) for number in range(count)]
    await at_once([place.kube.patch(ref, {"spec": {"interval": SHORT}}) for ref in refs])
    is_short = _released(SECOND)
    async with _releases(place) as live:
        await live.until_all(count, lambda found: is_short(found) and found["spec"]["interval"] == SHORT, PATIENCE)
    await until_quiet(place)
    return await measured_for(seconds, f"no change, {seconds:g} s at {SHORT}", place, controller)


async def _floor(place: Place, count: int, tested: bool) -> Floor:
    """What cannot be spared: the objects, and the Secret that Helm keeps of the release."""
    texts = APPLICATION | {"test.yaml": TEST} if tested else APPLICATION
    kept = await place.kube.get(ObjectRef("v1", "Secret", NAMESPACE, f"sh.helm.release.v1.{application_name(0)}.v1"))
    objects = []
    for number in range(count):
        objects += objects_of(texts, number, FLOOR_NAMESPACE, "v1")
        metadata = {"name": f"release-{application_name(number)}", "namespace": FLOOR_NAMESPACE}
        objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kept["type"], "data": kept["data"]})
    return await floor_of(place, "applies", objects)


async def _publish(place: Place, version: str) -> None:
    """From now on the source has this chart; it is created if it is not there."""
    packed = chart(version)
    digest = await asyncio.to_thread(place.artifacts.add, packed)
    artifact = packed.artifact(place.artifacts.base, digest) | {"revision": f"{version}@{digest}"}
    metadata = {"name": SOURCE.name, "namespace": SOURCE.namespace}
    spec = {"interval": LONG, "url": "oci://registry.example.com/charts/app"}
    await place.kube.apply({"apiVersion": SOURCE.api_version, "kind": SOURCE.kind, "metadata": metadata, "spec": spec})
    await place.kube.patch(SOURCE, {"status": {"artifact": artifact, "observedGeneration": 1}}, subresource="status")


def _released(version: str) -> Callable[[Manifest], bool]:
    return lambda found: is_released(found, version)


def _releases(place: Place) -> contextlib.AbstractAsyncContextManager[Follower]:
    return Follower(place.kube, HELM_API, "HelmRelease").running()
