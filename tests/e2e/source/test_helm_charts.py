"""HelmRepository and HelmChart against a real API server, a chart repository, a registry, Git, and a real source-controller."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiohttp import web

from fleetloop import oci
from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import kind_named
from fleetloop.kube.errors import KindUnknown
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.oci.content import HELM_CHART, HELM_CONFIG, OCI_MANIFEST
from tests.e2e.helm.conftest import chart
from tests.e2e.source.conftest import API, DEADLINE, Tenant, condition, manifest, ready
from tests.kit.registry import PASSWORD, USER, cloud_door, registry, token_door
from tests.kit.tls import Authority

pytestmark = pytest.mark.asyncio(loop_scope="package")


class ChartServer:
    """A chart repository over HTTP; with `user` it asks for a password."""

    def __init__(self) -> None:
        self.url, self.user = "", ""
        self.charts: dict[str, bytes] = {}
        self.requests: list[str] = []

    def add(self, version: str, name: str = "web") -> bytes:
        content = self.charts[f"{name}-{version}.tgz"] = chart(version, name=name)
        return content

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(request.path)
        if (
            self.user
            and request.headers.get("Authorization") != "Basic " + base64.b64encode(f"{self.user}:secret".encode()).decode()
        ):
            return web.Response(status=401)
        if request.path == "/index.yaml":
            return web.Response(text=self.index())
        content = self.charts.get(request.path[1:])
        return web.Response(body=content) if content else web.Response(status=404)

    def index(self) -> str:
        entries: dict[str, list[dict[str, Any]]] = {}
        for file in self.charts:
            name, _, version = file.removesuffix(".tgz").partition("-")
            made = {"apiVersion": "v2", "name": name, "version": version, "urls": [file], "created": "2026-01-01T00:00:00Z"}
            entries.setdefault(name, []).append(made)
        return yaml.safe_dump({"apiVersion": "v1", "entries": entries, "generated": "2026-01-01T00:00:00Z"})


@asynccontextmanager
async def serving() -> AsyncIterator[ChartServer]:
    server, app = ChartServer(), web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="package")
async def charts(tenant: Tenant) -> AsyncIterator[ChartServer]:
    for kind in ("HelmRepository", "HelmChart"):
        await tenant.world.kube.apply(crd_of(kind_named(kind)))
    async with serving() as server:
        yield server


async def apply(tenant: Tenant, kind: str, name: str, **spec: Any) -> ObjectRef:
    wanted = manifest(API, kind, tenant.name, name, spec={"interval": "1h"} | spec)
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await tenant.world.kube.managing_as("user").apply(wanted)
                return ObjectRef(API, kind, tenant.name, name)
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


async def stored(tenant: Tenant, obj: Manifest) -> bytes:
    async with tenant.world.http.get(obj["status"]["artifact"]["url"], auto_decompress=False) as answer:
        return await answer.read()


def of_repository(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {"chart": name, "sourceRef": {"kind": "HelmRepository", "name": "repo"}} | spec


async def push(tenant: Tenant, address: str, *tags: str) -> None:
    """Charts named `web` to the registry's folder `charts`."""
    repository, client = oci.Repository.parse(f"{address}/charts/web"), oci.Registry(tenant.world.http)
    for tag in tags:
        digest, size = await client.push_blob(repository, chart(tag.replace("_", "+")))
        await client.push_blob(repository, b"{}")
        raw = oci.pushed_manifest(b"{}", [(HELM_CHART, digest, size)], {}, HELM_CONFIG)
        await client.push_manifest(repository.tagged(tag), raw, OCI_MANIFEST)


async def request(tenant: Tenant, ref: ObjectRef, token: str) -> Manifest:
    await tenant.world.kube.patch(ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}})
    return await until(tenant, ref, lambda live: live["status"].get("lastHandledReconcileAt") == token)


async def test_an_index_becomes_the_artifact_sk15(tenant: Tenant, charts: ChartServer) -> None:
    """SK15: the revision is of the bytes fetched, the digest of the JSON stored."""
    charts.add("1.0.0")
    obj = await until(tenant, await apply(tenant, "HelmRepository", "repo", url=charts.url), ready("True"))
    fetched = hashlib.sha256(charts.index().encode()).hexdigest()
    artifact = obj["status"]["artifact"]
    assert artifact["revision"] == f"sha256:{fetched}"
    assert artifact["path"].endswith(f"/index-{fetched}.yaml")
    assert obj["status"]["url"].endswith("/index.yaml")
    content = await stored(tenant, obj)
    assert content.startswith(b'{\n  "apiVersion": "v1",\n  "generated": "2026-01-01T00:00:00Z",\n  "entries": {\n    "web": [')
    assert artifact["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert condition(obj, "Ready")["message"] == f"stored artifact: revision 'sha256:{fetched}'"
    event = await tenant.until_event("NewArtifact", "repo")
    assert event["message"] == f"stored fetched index of size {len(content)}B from '{charts.url}'"


async def test_the_highest_version_in_range_is_pulled_as_it_is(tenant: Tenant, charts: ChartServer) -> None:
    """3.1, 6.2: what has no three parts is chosen by its very name alone."""
    for version in ("1.0.0", "1.2.0", "1.3.0-rc.1", "1.9", "2.0.0"):
        charts.add(version)
    await apply(tenant, "HelmRepository", "repo", url=charts.url)
    obj = await until(tenant, await apply(tenant, "HelmChart", "web", **of_repository(version="1.x")), ready("True"))
    assert (obj["status"]["artifact"]["revision"], obj["status"]["observedChartName"]) == ("1.2.0", "web")
    assert await stored(tenant, obj) == charts.charts["web-1.2.0.tgz"]
    assert condition(obj, "Ready")["reason"] == "ChartPullSucceeded"
    assert condition(obj, "Ready")["message"] == "pulled 'web' chart with version '1.2.0'"
    await tenant.until_event("ChartPullSucceeded", "web", "pulled 'web' chart with version '1.2.0'")


async def test_a_new_index_wakes_the_charts(tenant: Tenant, charts: ChartServer) -> None:
    charts.add("1.0.0")
    repository = await apply(tenant, "HelmRepository", "repo", url=charts.url)
    web_chart = await apply(tenant, "HelmChart", "web", **of_repository())
    await until(tenant, web_chart, ready("True"))
    charts.add("1.1.0")
    await request(tenant, repository, "now")
    await until(tenant, web_chart, lambda live: live["status"]["artifact"]["revision"] == "1.1.0")


async def test_values_files_make_a_package_of_their_own_sk16(tenant: Tenant, charts: ChartServer) -> None:
    """SK16: the generation is the build metadata."""
    charts.add("1.0.0")
    await apply(tenant, "HelmRepository", "repo", url=charts.url)
    files: dict[str, Any] = {"valuesFiles": ["values.yaml", "none.yaml"], "ignoreMissingValuesFiles": True}
    ref = await apply(tenant, "HelmChart", "web", **of_repository(**files))
    obj = await until(tenant, ref, ready("True"))
    assert obj["status"]["artifact"]["revision"] == "1.0.0+1"
    assert obj["status"]["observedValuesFiles"] == ["values.yaml"]
    assert (
        condition(obj, "Ready")["message"] == "packaged 'web' chart with version '1.0.0+1' and merged values files [values.yaml]"
    )
    await apply(tenant, "HelmChart", "web", **of_repository(**files | {"ignoreMissingValuesFiles": False}))
    obj = await until(tenant, ref, ready("False", "ValuesFilesError"))
    assert condition(obj, "Stalled")["message"].startswith("values files merge error: no values file found at path 'none.yaml'")


async def test_a_missing_chart_stalls_until_a_new_index_sk18(tenant: Tenant, charts: ChartServer) -> None:
    """SK18: only a new index, another wish, or a request wakes it."""
    charts.add("1.0.0")
    repository = await apply(tenant, "HelmRepository", "repo", url=charts.url)
    ref = await apply(tenant, "HelmChart", "web", **of_repository(version="9.x"))
    obj = await until(tenant, ref, ready("False", "InvalidChartReference"))
    assert condition(obj, "Stalled")["status"] == "True"
    charts.add("9.0.0")
    await request(tenant, repository, "now")
    await until(tenant, ref, ready("True"))


async def test_a_chart_in_git_sk17(tenant: Tenant, charts: ChartServer) -> None:
    """SK17: with ChartVersion the version decides; with Revision every commit is a new one."""
    files = {"deploy/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "deploy/web/templates/x.yaml": "kind: X\n"}
    await tenant.push(files)
    repository = await tenant.repository("repo")
    await repository.until(ready("True"))
    source = {"chart": "./deploy/web", "sourceRef": {"kind": "GitRepository", "name": "repo"}}
    by_version = await apply(tenant, "HelmChart", "version", **source)
    by_revision = await apply(tenant, "HelmChart", "revision", reconcileStrategy="Revision", **source)
    first = await until(tenant, by_version, ready("True"))
    assert (first["status"]["artifact"]["revision"], condition(first, "Ready")["reason"]) == ("1.0.0", "ChartPackageSucceeded")
    await until(tenant, by_revision, ready("True"))
    sha = await tenant.push(files | {"deploy/web/templates/x.yaml": "kind: Y\n"})
    await repository.requested("now")
    await until(tenant, by_revision, lambda live: live["status"]["artifact"]["revision"] == f"1.0.0+{sha[:12]}")
    seen = await until(tenant, by_version, lambda live: live["status"]["observedSourceArtifactRevision"].endswith(sha))
    assert seen["status"]["artifact"] == first["status"]["artifact"]


async def test_credentials_stay_with_the_repository(tenant: Tenant, charts: ChartServer) -> None:
    """5.2: a refused index is `Failed`, whatever refused it."""
    charts.add("1.0.0")
    charts.user = "ada"
    ref = await apply(tenant, "HelmRepository", "repo", url=charts.url)
    obj = await until(tenant, ref, ready("False", "Failed"))
    start = "failed to fetch Helm repository index: failed to cache index to temporary file: "
    assert condition(obj, "Ready")["message"] == f"{start}failed to fetch {charts.url}/index.yaml: 401 Unauthorized"
    await tenant.secret("login", {"username": "ada", "password": "secret"})
    await apply(tenant, "HelmRepository", "repo", url=charts.url, secretRef={"name": "login"})
    await until(tenant, ref, ready("True"))
    await until(tenant, await apply(tenant, "HelmChart", "web", **of_repository()), ready("True"))


async def test_a_registry_as_repository_is_static_sk14(
    tenant: Tenant, charts: ChartServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SK14: it gets no status and no finalizer; its charts come from tags."""
    async with registry(tmp_path_factory.mktemp("charts")) as address:
        await push(tenant, address, "1.0.0", "1.1.0_b1")
        ref = await apply(tenant, "HelmRepository", "repo", url=f"oci://{address}/charts", type="oci")
        obj = await until(tenant, await apply(tenant, "HelmChart", "web", **of_repository(version=">=1.0.0")), ready("True"))
        assert obj["status"]["artifact"]["revision"] == "1.1.0+b1"
        live = await tenant.world.kube.get(ref)
        assert (live.get("status") or {}, live["metadata"].get("finalizers")) == ({}, None)


@pytest.mark.parametrize("name", ["a" * 60 + "A", "web/../A", "Web", "web//x"])
async def test_what_is_no_chart_of_a_registry_is_told_at_once(tenant: Tenant, charts: ChartServer, name: str) -> None:
    """6.2: a name that is no match for the pattern only at its end took time without end, and everybody's."""
    await apply(tenant, "HelmRepository", "repo", url="oci://127.0.0.1:1/charts", type="oci")
    ref = await apply(tenant, "HelmChart", "web", **of_repository(name))
    obj = await until(tenant, ref, ready("False", "InvalidChartReference"))
    assert condition(obj, "Stalled")["message"] == f"invalid chart reference: '{name}' is no chart name"


async def test_a_registry_by_user_and_password(
    tenant: Tenant, charts: ChartServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """5.1: a HelmRepository's Secret needs no docker config. It opens the registry of its URL, no other that an index names."""
    async with registry(tmp_path_factory.mktemp("charts")) as address, token_door(address) as door, token_door(address) as other:
        await push(tenant, address, "1.0.0")
        url = f"oci://{door.address}/charts"
        await tenant.secret("login", {"username": USER})
        await apply(tenant, "HelmRepository", "repo", url=url, type="oci", secretRef={"name": "login"})
        ref = await apply(tenant, "HelmChart", "web", **of_repository())
        obj = await until(tenant, ref, ready("False", "AuthenticationFailed"))
        assert "required fields 'username' and 'password'" in condition(obj, "Ready")["message"]
        await tenant.secret("login", {"username": USER, "password": PASSWORD})
        await until(tenant, ref, ready("True"))
        charts.charts["web-1.0.0.tgz"] = b""
        index = charts.index().replace("web-1.0.0.tgz", f"oci://{other.address}/charts/web:1.0.0")
        charts.index = lambda: index  # type: ignore[method-assign]
        await apply(tenant, "HelmRepository", "repo", url=charts.url, type="default", secretRef={"name": "login"})
        await apply(tenant, "HelmChart", "web", **of_repository(version="1.0.0"))
        obj = await until(tenant, ref, ready("False", "AuthenticationFailed"))
        assert not [path for path, login in other.paths if "Basic" in login]


async def test_a_registry_by_an_authority_in_the_repositorys_secret(
    tenant: Tenant, charts: ChartServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """5.1: what is for TLS in a HelmRepository's Secret counts, by its old names too, unless there is a certSecretRef."""
    folder, authority = tmp_path_factory.mktemp("charts"), Authority()
    tls = authority.server_context(folder)

    def knows(user: str, password: str) -> bool:
        return (user, password) == (USER, PASSWORD)

    async with registry(folder) as address, cloud_door(address, tls, knows, lambda _: None) as door:
        await push(tenant, address, "1.0.0")
        login = {"username": USER, "password": PASSWORD}
        await tenant.secret("login", {**login, "ca.crt": Authority().ca})
        place = {"url": f"oci://{door.address}/charts", "type": "oci", "secretRef": {"name": "login"}}
        await apply(tenant, "HelmRepository", "repo", **place)
        ref = await apply(tenant, "HelmChart", "web", **of_repository())
        await until(tenant, ref, ready("False", "AuthenticationFailed"))
        await tenant.secret("login", {**login, "caFile": authority.ca})
        await until(tenant, ref, ready("True"))


async def test_a_broken_index_and_one_that_is_too_large(tenant: Tenant, charts: ChartServer) -> None:
    charts.index = lambda: "entries: [nonsense"  # type: ignore[method-assign]
    ref = await apply(tenant, "HelmRepository", "repo", url=charts.url)
    obj = await until(tenant, ref, ready("False", "IndexationFailed"))
    assert condition(obj, "Ready")["message"].startswith("failed to load Helm repository from index YAML: ")
    charts.index = lambda: "#" * (51 << 20)  # type: ignore[method-assign]
    await request(tenant, ref, "now")
    obj = await until(tenant, ref, ready("False", "Failed"))
    assert "larger than the limit of 52428800 bytes" in condition(obj, "Ready")["message"]
