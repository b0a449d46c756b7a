"""Bucket against a real API server, an S3 server and a real source-controller."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import obstore
import pytest
import pytest_asyncio
from moto.server import ThreadedMotoServer
from obstore.store import S3Store
from yarl import URL

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import kind_named
from fleetloop.kube.errors import KindUnknown
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.storage import ArtifactReader
from tests.e2e.source.conftest import API, DEADLINE, Tenant, condition, manifest, ready

pytestmark = pytest.mark.asyncio(loop_scope="package")


@dataclass(frozen=True)
class Objects:
    """One bucket."""

    endpoint: str
    name: str
    store: S3Store

    async def put(self, objects: Mapping[str, str]) -> dict[str, str]:
        """Gives their ETags."""
        made = {}
        for key, text in objects.items():
            made[key] = str((await obstore.put_async(self.store, key, text.encode()))["e_tag"]).strip('"')
        return made


@pytest_asyncio.fixture(loop_scope="package")
async def objects(tenant: Tenant) -> AsyncIterator[Objects]:
    await tenant.world.kube.apply(crd_of(kind_named("Bucket")))
    server = ThreadedMotoServer("127.0.0.1", port=0)
    await asyncio.to_thread(server.start)
    try:
        host, port = server.get_host_and_port()
        async with tenant.world.http.put(f"http://{host}:{port}/{tenant.name}") as made:
            assert made.status == 200
        keys = {"access_key_id": "key", "secret_access_key": "hunter2"}
        place = {"endpoint": f"http://{host}:{port}", "region": "us-east-1", "virtual_hosted_style_request": False}
        store = S3Store(tenant.name, config=place | keys, client_options={"allow_http": True})  # type: ignore[arg-type]
        await tenant.secret("keys", {"accesskey": "key", "secretkey": "hunter2"})
        yield Objects(f"{host}:{port}", tenant.name, store)
    finally:
        await asyncio.to_thread(server.stop)


async def apply(tenant: Tenant, objects: Objects, **spec: Any) -> ObjectRef:
    base = {"interval": "1h", "endpoint": objects.endpoint, "bucketName": objects.name, "insecure": True}
    full = {key: value for key, value in (base | {"secretRef": {"name": "keys"}} | spec).items() if value is not None}
    wanted = manifest(API, "Bucket", tenant.name, "app", spec=full)
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await tenant.world.kube.managing_as("user").apply(wanted)
                return ObjectRef(API, "Bucket", tenant.name, "app")
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


def revision(etags: Mapping[str, str]) -> str:
    lines = "".join(f"{key} {etags[key]}\n" for key in sorted(etags))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


async def files(tenant: Tenant, obj: Manifest, folder: Path) -> dict[str, str]:
    artifact = obj["status"]["artifact"]
    async with ArtifactReader(folder, tenant.world.http).open(artifact["url"], artifact["digest"]) as tree:
        return {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}


async def test_objects_become_an_artifact_sk12_sk13(tenant: Tenant, objects: Objects, tmp_path: Path) -> None:
    """SK12: images stay, no default is applied, and `.sourceignore` comes along. SK13: the revision is by keys and ETags."""
    etags = await objects.put({"app.yaml": "a: 1\n", "logo.png": "x", "docs/readme.md": "no"})
    await objects.put({".sourceignore": "docs/\n"})
    obj = await until(tenant, await apply(tenant, objects), ready("True"))
    expected = revision({key: etags[key] for key in ("app.yaml", "logo.png")})
    assert obj["status"]["artifact"]["revision"] == expected
    assert obj["status"]["artifact"]["path"].endswith(f"/{expected.removeprefix('sha256:')}.tar.gz")
    assert condition(obj, "Ready")["message"] == f"stored artifact: revision '{expected}'"
    assert await files(tenant, obj, tmp_path) == {"app.yaml": "a: 1\n", "logo.png": "x", ".sourceignore": "docs/\n"}
    event = await tenant.until_event("NewArtifact")
    assert event["message"] == f"stored artifact with 2 fetched files from '{objects.name}' bucket"
    assert obj["status"]["url"].endswith("/latest.tar.gz")


async def test_a_prefix_and_a_change(tenant: Tenant, objects: Objects, tmp_path: Path) -> None:
    await objects.put({"prod/a.yaml": "a: 1\n", "dev/a.yaml": "a: 2\n"})
    ref = await apply(tenant, objects, prefix="prod/")
    first = await until(tenant, ref, ready("True"))
    assert await files(tenant, first, tmp_path / "one") == {"prod/a.yaml": "a: 1\n"}
    await objects.put({"prod/a.yaml": "a: 3\n"})
    await tenant.world.kube.patch(ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})
    second = await until(tenant, ref, lambda live: live["status"].get("lastHandledReconcileAt") == "now")
    assert await files(tenant, second, tmp_path / "two") == {"prod/a.yaml": "a: 3\n"}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("app", {"app-1.yaml", "app/a.yaml", "apps/a.yaml", "apps/b.yaml"}), ("apps/a", {"apps/a.yaml"}), ("app/", {"app/a.yaml"})],
)
async def test_a_prefix_may_end_anywhere(
    tenant: Tenant, objects: Objects, tmp_path: Path, prefix: str, expected: set[str]
) -> None:
    """4.1: as the server has it, not by folders."""
    await objects.put(dict.fromkeys(("app-1.yaml", "app/a.yaml", "apps/a.yaml", "apps/b.yaml", "b/app"), "a: 1\n"))
    obj = await until(tenant, await apply(tenant, objects, prefix=prefix), ready("True"))
    assert set(await files(tenant, obj, tmp_path)) == expected


async def test_failures_name_what_is_wrong(tenant: Tenant, objects: Objects) -> None:
    ref = await apply(tenant, objects, bucketName="none")
    obj = await until(tenant, ref, ready("False", "BucketOperationFailed"))
    assert condition(obj, "Ready")["message"] == "bucket 'none' not found"
    await tenant.secret("half", {"accesskey": "hunter2"})
    await apply(tenant, objects, secretRef={"name": "half"})
    obj = await until(tenant, ref, ready("False", "AuthenticationFailed"))
    assert condition(obj, "Ready")["message"].endswith("required fields 'accesskey' and 'secretkey'")
    await apply(tenant, objects, secretRef={"name": "gone"})
    await until(tenant, ref, lambda live: "gone" in condition(live, "Ready").get("message", ""))
    log = (tenant.world.controller.folder / "log").read_text()
    assert "hunter2" not in log


@pytest.mark.parametrize(
    "keys",
    [["a", "a/b"], ["../a"], ["a/../../../b"], ["a//b", "a/b"], ["x" * 300], ["a\\..\\..\\b"], ["/etc/passwd"], ["."]],
    ids=["file and folder", "parent", "parents", "twice", "long", "backslashes", "absolute", "dot"],
)
async def test_keys_that_are_no_files(tenant: Tenant, objects: Objects, keys: list[str]) -> None:
    """CVE-2022-24877 by a bucket: nothing is written outside, the key is named, other Buckets go on. Written past the library,
    which would refuse them; a store takes them all."""
    for key in keys:
        url = URL(f"http://{objects.endpoint}/{objects.name}/{quote(key, safe='')}", encoded=True)
        async with tenant.world.http.put(url, data=b"x") as made:
            assert made.status == 200, await made.text()
    ref = await apply(tenant, objects)
    obj = await until(tenant, ref, lambda live: condition(live, "Ready").get("status") in {"True", "False"})
    told = condition(obj, "Ready")
    if told["status"] == "False":
        assert told["reason"] == "BucketOperationFailed" and len(told["message"]) < 600
    assert not (tenant.world.controller.folder / "b").exists()
    assert "pass ended by a bug" not in (tenant.world.controller.folder / "log").read_text()
