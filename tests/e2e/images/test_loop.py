"""The loop that closes itself: a tag in a registry, a policy, a commit, by two controllers that meet in the API server alone."""

import time
from pathlib import Path

import aiohttp
import pytest

from fleetloop import oci
from fleetloop.oci.content import FLUX_CONFIG, FLUX_CONTENT, OCI_MANIFEST
from tests.e2e.images.automation import IMAGES, Tenant
from tests.kit.conditions import ready
from tests.kit.controller import Controller
from tests.kit.registry import registry

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def pushed(client: oci.Registry, repository: oci.Repository, tag: str) -> None:
    layer, size = await client.push_blob(repository, tag.encode())
    await client.push_blob(repository, b"{}")
    raw = oci.pushed_manifest(b"{}", [(FLUX_CONTENT, layer, size)], {}, FLUX_CONFIG)
    await client.push_manifest(repository.tagged(tag), raw, OCI_MANIFEST)


async def test_a_new_tag_becomes_a_commit(tenant: Tenant, tmp_path: Path) -> None:
    kubeconfig, flags = tenant.world.controller.kubeconfig, (f"--storage-path={tmp_path / 'tags'}",)
    reflector = Controller("image-reflector-controller", kubeconfig, tmp_path / "reflector", flags)
    await reflector.start()
    try:
        async with registry(tmp_path / "registry") as address, aiohttp.ClientSession() as http:
            client, repository = oci.Registry(http), oci.Repository.parse(f"{address}/team/app")
            await pushed(client, repository, "1.0.0")
            marked = f'image: {address}/team/app:1.0.0 # {{"$imagepolicy": "{tenant.name}:app"}}\n'
            await tenant.push({"app.yaml": marked})
            await tenant.apply(IMAGES, "ImageRepository", "app", spec={"image": f"{address}/team/app", "interval": "1s"})
            spec = {"imageRepositoryRef": {"name": "app"}, "policy": {"semver": {"range": "^1"}}}
            await tenant.apply(IMAGES, "ImagePolicy", "app", spec=spec)
            automation = await tenant.automation()
            await automation.until(ready("True"))
            begun = time.monotonic()
            await pushed(client, repository, "1.1.0")
            await automation.until(lambda obj: obj["status"].get("observedPolicies", {}).get("app", {}).get("tag") == "1.1.0")
            print(f"tag to commit: {time.monotonic() - begun:.1f} s")
            assert (await tenant.content("app.yaml")).decode() == marked.replace("1.0.0", "1.1.0")
            assert len(await tenant.log()) == 2
    finally:
        await reflector.stop()
