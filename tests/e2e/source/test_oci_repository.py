"""OCIRepository against a real API server, a real registry and a real source-controller process."""

import asyncio
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from fleetloop import oci
from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import kind_named
from fleetloop.kube.errors import KindUnknown
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.oci.content import FLUX_CONFIG, FLUX_CONTENT, HELM_CHART, OCI_MANIFEST
from fleetloop.storage import ArtifactReader
from tests.e2e.source.conftest import API, DEADLINE, Tenant, condition, manifest, ready
from tests.kit.proxies import socks5_proxy
from tests.kit.registry import PASSWORD, USER, registry, token_door

pytestmark = pytest.mark.asyncio(loop_scope="package")


@dataclass(frozen=True)
class Images:
    """One repository of a registry."""

    http: aiohttp.ClientSession
    repository: oci.Repository

    @property
    def url(self) -> str:
        return f"oci://{self.repository}"

    async def push(
        self, tag: str, files: Mapping[str, str], kind: str = FLUX_CONTENT, annotations: dict[str, str] | None = None
    ) -> str:
        client, config = oci.Registry(self.http), b"{}"
        digest, size = await client.push_blob(self.repository, tgz(files))
        await client.push_blob(self.repository, config)
        raw = oci.pushed_manifest(config, [(kind, digest, size)], annotations or {}, FLUX_CONFIG)
        return await client.push_manifest(self.repository.tagged(tag), raw, OCI_MANIFEST)


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="package")
async def images(tenant: Tenant, address: str) -> Images:
    await tenant.world.kube.apply(crd_of(kind_named("OCIRepository")))
    return Images(tenant.world.http, oci.Repository.parse(f"{address}/{tenant.name}/app"))


def tgz(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return out.getvalue()


async def source(tenant: Tenant, url: str, **spec: Any) -> ObjectRef:
    wanted = {"interval": "1h", "url": url, "ref": {"tag": "v1"}} | spec
    ref = ObjectRef(API, "OCIRepository", tenant.name, "app")
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await tenant.world.kube.managing_as("user").apply(manifest(API, "OCIRepository", tenant.name, "app", spec=wanted))
                return ref
            except KindUnknown:  # the definition was made a moment ago
                await asyncio.sleep(0.1)


async def until(tenant: Tenant, ref: ObjectRef, wanted: Callable[[Manifest], bool]) -> Manifest:
    last: Manifest = {}
    try:
        async with asyncio.timeout(DEADLINE):
            selector = f"metadata.name={ref.name}"
            async for event in tenant.world.kube.watch(API, ref.kind, ref.namespace, field_selector=selector):
                last = event.object
                if event.type in {"ADDED", "MODIFIED"} and wanted(last):
                    return last
    except TimeoutError:
        pass
    raise AssertionError(f"not reached; last seen: {last.get('status')}")


async def content(tenant: Tenant, artifact: dict[str, str], folder: Path) -> dict[str, str]:
    async with ArtifactReader(folder, tenant.world.http).open(artifact["url"], artifact["digest"]) as tree:
        return {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}


async def test_a_tag_to_an_artifact(tenant: Tenant, images: Images, tmp_path: Path) -> None:
    """Links are left out, ignore rules hold, and the manifest's annotations come along."""
    said = {"org.opencontainers.image.source": "git", "org.opencontainers.image.revision": "main@sha1:abc"}
    digest = await images.push("v1", {"app.yaml": "a: 1\n", "logo.png": "x"}, annotations=said)
    obj = await until(tenant, await source(tenant, images.url), ready("True"))
    status, revision = obj["status"], f"v1@{digest}"
    artifact = status["artifact"]
    assert (artifact["revision"], artifact["metadata"]) == (revision, said)
    assert artifact["path"] == f"ocirepository/{tenant.name}/app/{digest}.tar.gz"
    assert status["url"] == artifact["url"].rpartition("/")[0] + "/latest.tar.gz"
    assert condition(obj, "Ready")["message"] == f"stored artifact for digest '{revision}'"
    assert await content(tenant, artifact, tmp_path) == {"app.yaml": "a: 1\n"}
    event = await tenant.until_event("NewArtifact")
    expected = (
        f"stored artifact with revision '{revision}' from '{images.url}', origin source 'git', origin revision 'main@sha1:abc'"
    )
    assert event["message"] == expected


async def test_semver_takes_the_highest_of_the_filtered(tenant: Tenant, images: Images) -> None:
    for tag in ("1.0.0", "1.2.0", "1.3.0-rc.1", "2.0.0", "1.9.0-dev", "latest"):
        await images.push(tag, {"a": tag})
    ref = await source(tenant, images.url, ref={"semver": ">=1.0.0-0 <2.0.0", "semverFilter": r"^\d+\.\d+\.\d+(-rc.*)?$"})
    obj = await until(tenant, ref, ready("True"))
    assert obj["status"]["artifact"]["revision"].startswith("1.3.0-rc.1@sha256:")


async def test_copy_keeps_the_layer_byte_for_byte(tenant: Tenant, images: Images) -> None:
    await images.push("1.0.0_build", {"Chart.yaml": "name: x\n"}, HELM_CHART)
    layer = {"mediaType": HELM_CHART, "operation": "copy"}
    obj = await until(tenant, await source(tenant, images.url, ref={"semver": "*"}, layerSelector=layer), ready("True"))
    assert obj["status"]["artifact"]["digest"] == "sha256:" + hashlib.sha256(tgz({"Chart.yaml": "name: x\n"})).hexdigest()
    assert obj["status"]["artifact"]["revision"].startswith("1.0.0_build@")


async def test_a_moved_tag_is_a_new_artifact(tenant: Tenant, images: Images) -> None:
    await images.push("v1", {"a": "1"})
    ref = await source(tenant, images.url)
    first = (await until(tenant, ref, ready("True")))["status"]["artifact"]
    digest = await images.push("v1", {"a": "2"})
    await tenant.world.kube.patch(ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})
    obj = await until(tenant, ref, lambda live: live["status"].get("lastHandledReconcileAt") == "now")
    assert obj["status"]["artifact"]["revision"] == f"v1@{digest}" != first["revision"]


async def test_failures_name_what_is_wrong(tenant: Tenant, images: Images) -> None:
    ref = await source(tenant, images.url)
    obj = await until(tenant, ref, ready("False", "OCIArtifactPullFailed"))
    assert condition(obj, "FetchFailed")["message"].startswith("failed to determine artifact digest: manifest ")
    await source(tenant, images.url, layerSelector={"mediaType": "application/none"})
    await images.push("v1", {"a": "1"})
    obj = await until(tenant, ref, ready("False", "OCIArtifactLayerOperationFailed"))
    assert condition(obj, "Ready")["message"] == "failed to find layer with media type 'application/none' in artifact"
    await source(tenant, f"{images.url}:v1")
    obj = await until(tenant, ref, ready("False", "URLInvalid"))
    assert "URL must not contain a tag; remove ':v1'" in condition(obj, "Stalled")["message"]


async def test_a_registry_that_asks_for_a_token_sk11(tenant: Tenant, images: Images, address: str) -> None:
    """SK11: the Secret opens the registry, whatever the provider says."""
    await images.push("v1", {"a": "1"})
    async with token_door(address) as door:
        url = f"oci://{door.address}/{images.repository.name}"
        ref = await source(tenant, url, provider="aws")
        obj = await until(tenant, ref, ready("False", "AuthenticationFailed"))
        assert condition(obj, "Ready")["message"].startswith("failed to get credential from aws")
        config = json.dumps({"auths": {door.address: {"username": USER, "password": PASSWORD}}})
        await tenant.secret("pull", {".dockerconfigjson": config})
        await source(tenant, url, provider="aws", secretRef={"name": "pull"})
        await until(tenant, ref, ready("True"))


@pytest.mark.parametrize("insecure", [True, False])
async def test_a_socks5_proxy(tenant: Tenant, images: Images, address: str, insecure: bool) -> None:
    """3.5: the proxy resolves the registry's name; whoever it does not know is told so, without the password."""
    await images.push("v1", {"a": "1"})
    async with socks5_proxy("ada", "s3cret") as proxy:
        proxy.names["registry.local:80"] = address
        proxy.names["registry.local:443"] = address  # where it speaks no TLS
        await tenant.secret("proxy", {"address": proxy.address, "username": "ada", "password": "wr0ng"})
        url = f"oci://registry.local/{images.repository.name}"
        ref = await source(tenant, url, proxySecretRef={"name": "proxy"}, insecure=insecure)
        obj = await until(tenant, ref, ready("False", "OCIArtifactPullFailed"))
        assert "wr0ng" not in str(obj) and proxy.targets == []
        await tenant.secret("proxy", {"address": proxy.address, "username": "ada", "password": "s3cret"})
        await until(tenant, ref, ready("True"))
        assert set(proxy.targets) == {"registry.local:443", "registry.local:80"}
