"""image-reflector-controller: repositories of many tags scanned, policies that choose of them, a new tag, one huge repository."""

import time
from collections.abc import Sequence

from bench.applications import NAMESPACE
from bench.charts import is_ready
from bench.following import Follower
from bench.phases import LONG, PATIENCE, Floor, Phase, at_once, measured, status_floor, timed_floor, until_quiet
from bench.place import ControllerProcess, Place
from bench.registry import LocalRegistry, registry_in
from bench.report import Section
from fleetloop.api import names
from fleetloop.kube import Manifest, ObjectRef
from fleetloop.oci.content import FLUX_CONFIG, FLUX_CONTENT

IMAGE_API = "image.toolkit.fluxcd.io/v1"
REPOSITORIES, TAGS = 50, 300
NEW_TAG = "1.100000.0"  # newer than all by every policy
HUGE = 10_000


async def measure(place: Place, section: Section, policies: int) -> None:
    async with registry_in(place.folder.path / "registry") as registry:
        paths = [_path(number) for number in range(REPOSITORIES)]
        for path in paths:
            await _push(registry, path, tags_of(TAGS))
        await _push(registry, "huge", tags_of(HUGE))
        async with place.controller(names.IMAGE_REFLECTOR_CONTROLLER) as controller:
            section.add(await _created(place, controller, registry, "scanned", [_repository(registry, p) for p in paths]))
            section.add(await _scanned_again(place, controller, registry))
            manifests = [_policy(number) for number in range(policies)]
            section.add(await _created(place, controller, registry, "chosen", manifests))
            section.add(await _new_tag(place, controller, registry, policies))
            huge = [_repository(registry, "huge")]
            section.add(await _created(place, controller, registry, f"{HUGE} tags in one", huge))
        await _floors(place, section, registry, paths)


async def _floors(place: Place, section: Section, registry: LocalRegistry, paths: Sequence[str]) -> None:
    """Lists of tags, and a status for each object that has news."""
    scanned, again, chosen, new_tag, huge = section.phases
    lists, whole = await _lists(place, registry, paths), await _lists(place, registry, ["huge"])
    repositories = await place.kube.list(IMAGE_API, "ImageRepository", NAMESPACE)
    of_paths = await status_floor(place, "statuses of repositories", [one for one in repositories if _name(one) != "huge"])
    of_huge = await status_floor(place, "status of the huge", [one for one in repositories if _name(one) == "huge"])
    of_policies = await status_floor(place, "statuses of policies", await place.kube.list(IMAGE_API, "ImagePolicy", NAMESPACE))
    section.floors += [lists, whole, of_paths, of_huge, of_policies]
    scanned.floor = again.floor = lists + of_paths
    chosen.floor, new_tag.floor, huge.floor = of_policies, lists + of_paths + of_policies, whole + of_huge


async def _lists(place: Place, registry: LocalRegistry, paths: Sequence[str]) -> Floor:
    requests = [registry.client.tags(registry.repository(path)) for path in paths]
    return await timed_floor(place, f"lists of tags, {len(paths)}", requests)


async def _created(
    place: Place, controller: ControllerProcess, registry: LocalRegistry, name: str, manifests: Sequence[Manifest]
) -> Phase:
    """From the first request that creates one until all are Ready."""
    wanted = {_name(manifest) for manifest in manifests}
    kind = manifests[0]["kind"]
    async with (
        Follower(place.kube, IMAGE_API, kind).running() as live,
        measured(name, len(manifests), place, controller) as phase,
    ):
        with registry.counting_for(phase):
            started = time.monotonic()
            await at_once([place.kube.create(manifest) for manifest in manifests])
            await live.until_all(len(wanted), lambda found: _name(found) in wanted and is_ready(found), PATIENCE)
            phase.seconds = time.monotonic() - started
            await until_quiet(place)
    return phase


async def _scanned_again(place: Place, controller: ControllerProcess, registry: LocalRegistry) -> Phase:
    """What a scan costs that finds nothing new."""
    async with (
        Follower(place.kube, IMAGE_API, "ImageRepository").running() as live,
        measured("scanned, no change", REPOSITORIES, place, controller) as phase,
    ):
        with registry.counting_for(phase):
            started = time.monotonic()
            await _ask_to_scan(place, "again")
            await live.until_all(REPOSITORIES, lambda found: _has_handled(found, "again"), PATIENCE)
            phase.seconds = time.monotonic() - started
            await until_quiet(place)
    return phase


async def _new_tag(place: Place, controller: ControllerProcess, registry: LocalRegistry, policies: int) -> Phase:
    """From the request to scan, as a webhook makes it, until all policies have chosen the new tag."""
    for number in range(REPOSITORIES):
        await _push(registry, _path(number), [NEW_TAG])
    async with (
        Follower(place.kube, IMAGE_API, "ImagePolicy").running() as live,
        measured("a new tag", policies, place, controller) as phase,
    ):
        with registry.counting_for(phase):
            started = time.monotonic()
            await _ask_to_scan(place, "new")
            await live.until_all(policies, _has_new_tag, PATIENCE)
            phase.seconds = time.monotonic() - started
            await until_quiet(place)
    return phase


async def _ask_to_scan(place: Place, token: str) -> None:
    asked = {"metadata": {"annotations": {names.REQUESTED_AT: token}}}
    refs = [ObjectRef(IMAGE_API, "ImageRepository", NAMESPACE, _path(number)) for number in range(REPOSITORIES)]
    await at_once([place.kube.patch(ref, asked) for ref in refs])


async def _push(registry: LocalRegistry, path: str, tags: Sequence[str]) -> None:
    await registry.push(path, tags, b"an image", FLUX_CONTENT, FLUX_CONFIG)


def tags_of(count: int) -> list[str]:
    return [f"1.{number}.0" for number in range(count)]


def _has_handled(live: Manifest, token: str) -> bool:
    return bool((live.get("status") or {}).get("lastHandledReconcileAt") == token)


def _has_new_tag(live: Manifest) -> bool:
    latest = (live.get("status") or {}).get("latestRef") or {}
    return bool(latest.get("tag") == NEW_TAG)


def _path(number: int) -> str:
    return f"image-{number:02}"


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def _repository(registry: LocalRegistry, path: str) -> Manifest:
    return _object("ImageRepository", path, {"image": f"{registry.address}/{path}", "insecure": True, "interval": LONG})


def _policy(number: int) -> Manifest:
    """By version, or by a number that a filter takes out of the tag."""
    by_version = {"policy": {"semver": {"range": ">=1.0.0"}}}
    filtered = {"filterTags": {"pattern": r"^1\.(?P<number>[0-9]+)\.0$", "extract": "$number"}}
    by_number = filtered | {"policy": {"numerical": {"order": "asc"}}}
    spec = {"imageRepositoryRef": {"name": _path(number % REPOSITORIES)}} | (by_number if number % 2 else by_version)
    return _object("ImagePolicy", f"policy-{number:04}", spec)


def _object(kind: str, name: str, spec: Manifest) -> Manifest:
    return {"apiVersion": IMAGE_API, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}
