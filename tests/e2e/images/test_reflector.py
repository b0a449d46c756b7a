"""image-reflector-controller against a real API server and a real registry."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp import web

from tests.e2e.images.reflector import DEADLINE, Reflector, reflector
from tests.kit.cluster import Cluster
from tests.kit.conditions import condition, ready


@pytest_asyncio.fixture
async def world(cluster: Cluster, namespace: str, tmp_path: Path) -> AsyncIterator[Reflector]:
    async with reflector(cluster, namespace, tmp_path) as made:
        yield made


async def test_scanned_chosen_and_followed(world: Reflector) -> None:
    """From tags to the latest one, again when a new one is pushed, also over a restart."""
    await world.push("1.0.0", "1.1.0", "2.0.0", "latest", "1.0.0.sig")
    source = await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h")
    live = await world.until(source, ready("True"))
    scan = live["status"]["lastScanResult"]
    assert (scan["tagCount"], scan["latestTags"]) == (4, ["latest", "2.0.0", "1.1.0", "1.0.0"])
    assert condition(live)["message"] == f"successful scan: found 4 tags with checksum {scan['revision']}"
    assert live["status"]["canonicalImageName"] == str(world.repository)
    policy = await world.apply("ImagePolicy", "app", imageRepositoryRef={"name": "app"}, policy={"semver": {"range": "1.x"}})
    live = await world.until(policy, ready("True"))
    assert live["status"]["latestRef"] == {"name": str(world.repository), "tag": "1.1.0"}
    await world.controller.kill()
    await world.controller.start()
    await world.push("1.2.0")
    await world.scan(source, "now")
    live = await world.until(policy, lambda live: live["status"]["latestRef"]["tag"] == "1.2.0")
    image = str(world.repository)
    assert live["status"]["observedPreviousRef"]["tag"] == "1.1.0"
    assert condition(live)["message"] == f"Latest image tag for {image} resolved to 1.2.0 (previously {image}:1.1.0)"


async def test_passes_that_change_nothing_are_events_too(world: Reflector) -> None:
    await world.push("1.0.0")
    source = await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h")
    policy = await world.apply("ImagePolicy", "app", imageRepositoryRef={"name": "app"}, policy={"semver": {"range": "*"}})
    chosen = condition(await world.until(policy, ready("True")))["message"]
    await world.scan(source, "now")
    await world.scan(policy, "now")
    await world.apply("ImageRepository", "app", image=str(world.repository), interval="2h")
    scanned = "no change in repository configuration since last scan, next scan in "
    wanted = {("ImageRepository", "tags did not change, next scan in 1h0m0s"), ("ImageRepository", scanned)}
    told = 0
    async with asyncio.timeout(DEADLINE):
        async for found in world.kube.watch("v1", "Event", world.namespace):
            kind, message = found.object.get("involvedObject", {}).get("kind"), found.object.get("message", "")
            wanted -= {(kind, scanned if message.startswith(scanned) else message)}
            told += (kind, message) == ("ImagePolicy", chosen)
            if not wanted and told > 1:  # when it was chosen, and once more
                break


async def test_digests(world: Reflector) -> None:
    digest = await world.push("1.0.0")
    await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h")
    choice: dict[str, Any] = {"policy": {"semver": {"range": "*"}}, "digestReflectionPolicy": "IfNotPresent"}
    policy = await world.apply("ImagePolicy", "app", imageRepositoryRef={"name": "app"}, **choice)
    live = await world.until(policy, ready("True"))
    assert live["status"]["latestRef"]["digest"] == digest


async def test_failures_name_what_is_wrong(world: Reflector) -> None:
    source = await world.apply("ImageRepository", "app", image="https://x.example/app", interval="1h")
    live = await world.until(source, ready("False", "ImageURLInvalid"))
    assert "must not contain a scheme" in condition(live)["message"]
    source = await world.apply("ImageRepository", "none", image=f"{world.repository.host}/none", interval="1h")
    live = await world.until(source, ready("False", "ReadOperationFailed"))
    assert condition(live)["message"].startswith("scan failed: tags of ")
    policy = await world.apply("ImagePolicy", "app", imageRepositoryRef={"name": "gone"}, policy={"semver": {"range": "*"}})
    await world.until(policy, ready("False", "DependencyNotReady"))


async def test_what_is_no_tag_is_left_out(world: Reflector) -> None:
    """Nobody could pull it, and it would be written to Git and into conditions."""
    odd = ["1.0\nroot: me", "../../x", "", "-rf", "a" * 129, "lаtest", "$(id)", "a b", ["x"], {"y": 1}, "\u202e9.0"]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"tags": ["1.0.0", *odd, "_ok.1-x"]})

    app = web.Application()
    app.router.add_get("/v2/app/tags/list", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        image = f"127.0.0.1:{runner.addresses[0][1]}/app"
        source = await world.apply("ImageRepository", "app", image=image, interval="1h")
        scan = (await world.until(source, ready("True")))["status"]["lastScanResult"]
        assert (scan["tagCount"], scan["latestTags"]) == (2, ["_ok.1-x", "1.0.0"])
    finally:
        await runner.cleanup()


async def test_other_namespaces_need_to_be_admitted(world: Reflector) -> None:
    await world.push("1.0.0")
    other = f"{world.namespace}-other"
    metadata = {"name": other, "labels": {"team": "a"}}
    await world.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h")
    spec = {"imageRepositoryRef": {"name": "app", "namespace": world.namespace}, "policy": {"semver": {"range": "*"}}}
    policy = await world.apply("ImagePolicy", "app", other, **spec)
    await world.until(policy, ready("False", "AccessDenied"))
    allowed = {"namespaceSelectors": [{"matchLabels": {"team": "a"}}]}
    await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h", accessFrom=allowed)
    await world.scan(policy, "now")
    await world.until(policy, ready("True"))


async def test_no_other_namespace_when_locked_down(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Whatever the repository says of who may read it."""
    async with reflector(cluster, namespace, tmp_path, "--no-cross-namespace-refs=true") as world:
        other = f"{namespace}-other"
        await world.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
        await world.push("1.0.0")
        everybody: dict[str, Any] = {"namespaceSelectors": [{"matchLabels": {}}]}
        await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h", accessFrom=everybody)
        spec: dict[str, Any] = {"policy": {"semver": {"range": "*"}}}
        policy = await world.apply(
            "ImagePolicy", "app", other, imageRepositoryRef={"name": "app", "namespace": namespace}, **spec
        )
        live = await world.until(policy, ready("False", "AccessDenied"))
        message = f"cannot access '{namespace}/app', cross-namespace references have been blocked"
        assert condition(live)["message"] == message
        own = await world.apply("ImagePolicy", "app", imageRepositoryRef={"name": "app"}, **spec)
        await world.until(own, ready("True"))


async def test_with_flux_storage_the_revision_is_a_digest(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    async with reflector(cluster, namespace, tmp_path, "--feature-gates=FluxStorage=true") as world:
        await world.push("1.0.0", "1.1.0")
        live = await world.until(
            await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h"), ready("True")
        )
    digest = hashlib.sha256(b"1.1.0\n1.0.0\n").hexdigest()
    assert live["status"]["lastScanResult"]["revision"] == f"sha256:{digest}"
