"""What charts are made of: dependencies, limits of size, hostile packages; and the cache of indexes."""

import io
import tarfile
from typing import Any

import pytest

from fleetloop.kube.objects import Manifest, ObjectRef
from tests.e2e.helm.conftest import chart
from tests.e2e.source.conftest import GATE, Tenant, condition, flags, ready
from tests.e2e.source.test_helm_charts import ChartServer, apply, charts, of_repository, request, serving, stored, until
from tests.e2e.source.test_oci_repository import address

pytestmark = pytest.mark.asyncio(loop_scope="package")
__all__ = ["address", "charts"]
SOURCE = {"chart": "./deploy/web", "sourceRef": {"kind": "GitRepository", "name": "repo"}}


def chart_yaml(*dependencies: dict[str, str], name: str = "web", version: str = "1.0.0") -> str:
    lines = [f"apiVersion: v2\nname: {name}\nversion: {version}\n"]
    if dependencies:
        lines.append("dependencies:\n")
    lines += [
        f"- {{name: {one['name']}, version: '{one['version']}', repository: '{one['repository']}'}}\n" for one in dependencies
    ]
    return "".join(lines)


def package(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


async def in_git(tenant: Tenant, files: dict[str, str]) -> ObjectRef:
    """The chart `web` of a folder in Git."""
    await tenant.push({"deploy/web/templates/x.yaml": "kind: X\n"} | files)
    repository = await tenant.repository("repo")
    await repository.until(ready("True"))
    return await apply(tenant, "HelmChart", "web", **SOURCE)


async def names(tenant: Tenant, obj: Manifest) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(await stored(tenant, obj))) as tar:
        return {member.name for member in tar.getmembers()}


async def test_an_umbrella_chart(tenant: Tenant, charts: ChartServer) -> None:
    """Of the same tree, of a repository with a Secret, of one that no HelmRepository names; what is carried is not fetched."""
    charts.user = "ada"
    charts.add("1.2.0", "database")
    charts.add("2.0.0", "database")
    async with serving() as public:
        public.add("0.1.0", "cache")
        await tenant.secret("login", {"username": "ada", "password": "secret"})
        repository = await apply(tenant, "HelmRepository", "repo", url=charts.url + "/", secretRef={"name": "login"})
        await until(tenant, repository, ready("True"))
        wanted = (
            {"name": "common", "version": "1.x", "repository": "file://../common"},
            {"name": "database", "version": "1.x", "repository": charts.url},
            {"name": "cache", "version": "", "repository": public.url},
            {"name": "carried", "version": "1.x", "repository": "https://unreachable.invalid"},
        )
        files = {
            "deploy/web/Chart.yaml": chart_yaml(*wanted),
            "deploy/common/Chart.yaml": chart_yaml(name="common", version="1.5.0"),
            "deploy/web/charts/carried/Chart.yaml": chart_yaml(name="carried", version="1.0.0"),
        }
        obj = await until(tenant, await in_git(tenant, files), ready("True"))
    inside = await names(tenant, obj)
    for name in ("common", "database", "cache", "carried"):
        assert f"web/charts/{name}/Chart.yaml" in inside or any(one.startswith(f"web/charts/{name}-") for one in inside), inside


async def test_dependencies_that_cannot_be_had(tenant: Tenant, charts: ChartServer) -> None:
    """They are looked for again: a repository may get the version that is missing."""
    charts.add("1.0.0", "database")
    files = {"deploy/web/Chart.yaml": chart_yaml({"name": "database", "version": "2.x", "repository": charts.url})}
    ref = await in_git(tenant, files)
    obj = await until(tenant, ref, ready("False", "DependencyBuildError"))
    assert condition(obj, "BuildFailed")["message"].startswith(
        "dependency build error: failed to get chart 'database' version '2.x'"
    )
    assert condition(obj, "Stalled") == {} and condition(obj, "FetchFailed") == {}
    charts.add("2.1.0", "database")
    await request(tenant, ref, "now")
    await until(tenant, ref, ready("True"))


async def test_a_lock_decides(tenant: Tenant, charts: ChartServer) -> None:
    for version in ("1.0.0", "1.1.0"):
        charts.add(version, "database")
    one = {"name": "database", "version": "1.x", "repository": charts.url}
    lock = (
        f"dependencies:\n- {{name: database, version: 1.0.0, repository: '{charts.url}'}}\n"
        "digest: x\ngenerated: '2026-01-01T00:00:00Z'\n"
    )
    files = {"deploy/web/Chart.yaml": chart_yaml(one), "deploy/web/Chart.lock": lock}
    await until(tenant, await in_git(tenant, files), ready("True"))
    assert "/database-1.0.0.tgz" in charts.requests and "/database-1.1.0.tgz" not in charts.requests


async def test_a_path_out_of_the_tree_is_no_chart(tenant: Tenant, charts: ChartServer) -> None:
    one = {"name": "etc", "version": "", "repository": "file://../../../../../../../../etc"}
    ref = await in_git(tenant, {"deploy/web/Chart.yaml": chart_yaml(one)})
    obj = await until(tenant, ref, ready("False", "DependencyBuildError"))
    assert "no chart at" in condition(obj, "Ready")["message"]
    outside = SOURCE | {"chart": "../../../../../../etc"}
    ref = await apply(tenant, "HelmChart", "outside", **outside)
    await until(tenant, ref, ready("False", "InvalidChartReference"))
    values: dict[str, Any] = {"valuesFiles": ["../../../../../../../etc/passwd"]}
    await tenant.push({"deploy/web/Chart.yaml": chart_yaml(version="1.1.0")})
    await apply(tenant, "GitRepository", "other", url=tenant.url, secretRef={"name": "git"}, ref={"branch": "main"})
    await apply(tenant, "HelmChart", "values", **SOURCE | values | {"sourceRef": {"kind": "GitRepository", "name": "other"}})
    obj = await until(tenant, ObjectRef(ref.api_version, ref.kind, ref.namespace, "values"), ready("False", "ValuesFilesError"))
    assert "root:" not in condition(obj, "Ready")["message"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a path", package({"web/Chart.yaml": chart_yaml(name="'../../web'"), "web/values.yaml": "a: 1\n"})),
        ("a dot", package({"web/Chart.yaml": chart_yaml(name="'.'"), "web/values.yaml": "a: 1\n"})),
        ("outside", package({"web/Chart.yaml": chart_yaml(), "web/../../../x": "a: 1\n"})),
        ("a bomb", package({"web/Chart.yaml": chart_yaml(), "web/values.yaml": "#" * (60 << 20)})),
    ],
    ids=["name with a path", "name is a dot", "entry outside", "bomb"],
)
async def test_hostile_packages(tenant: Tenant, charts: ChartServer, name: str, content: bytes) -> None:
    """CVE-2025-32386, -53547, -2026-35206: refused with a reason, and the next tenant's chart is built."""
    charts.charts["web-1.0.0.tgz"] = content
    charts.add("1.0.0", "good")
    await apply(tenant, "HelmRepository", "repo", url=charts.url)
    values: dict[str, Any] = {"valuesFiles": ["values.yaml", "other.yaml"], "ignoreMissingValuesFiles": True}
    ref = await apply(tenant, "HelmChart", "web", **of_repository(**values))
    obj = await until(tenant, ref, ready("False", "InvalidChartReference"))
    assert "artifact" not in obj["status"]
    good = await apply(tenant, "HelmChart", "good", **of_repository("good", **values))
    await until(tenant, good, ready("True"))


async def test_sizes_by_flags(tenant: Tenant, charts: ChartServer) -> None:
    """One package is refused while it is downloaded, one file while it is packaged."""
    charts.charts["large-1.0.0.tgz"] = package({"large/Chart.yaml": chart_yaml(name="large")}) + b"\0" * 60_000
    await apply(tenant, "HelmRepository", "repo", url=charts.url)
    ref = await in_git(tenant, {"deploy/web/Chart.yaml": chart_yaml(), "deploy/web/big.txt": "x" * 30_000})
    async with flags(tenant, GATE, "--helm-chart-max-size=50000", "--helm-chart-file-max-size=20000"):
        large = await apply(tenant, "HelmChart", "large", **of_repository("large"))
        obj = await until(tenant, large, ready("False", "ChartPullError"))
        assert "larger than the limit of 50000 bytes" in condition(obj, "Ready")["message"]
        obj = await request_refused(tenant, ref)
        assert "larger than the maximum file size 20000" in condition(obj, "Ready")["message"]


async def request_refused(tenant: Tenant, ref: ObjectRef) -> Manifest:
    await request(tenant, ref, "limits")
    return await until(tenant, ref, ready("False", "InvalidChartReference"))


async def test_indexes_are_cached_where_that_is_asked_for(tenant: Tenant, charts: ChartServer) -> None:
    """Hits and misses are counted by HelmRepository."""
    charts.add("1.0.0")
    async with flags(tenant, GATE, "--helm-cache-max-size=1000", "--helm-cache-ttl=10m"):
        await apply(tenant, "HelmRepository", "repo", url=charts.url)
        for name in ("one", "two"):
            await until(tenant, await apply(tenant, "HelmChart", name, **of_repository()), ready("True"))
        counted = await cache_events(tenant)
    assert counted["cache_miss"] >= 1 and counted["cache_hit"] >= 1


async def cache_events(tenant: Tenant) -> dict[str, float]:
    async with tenant.world.http.get(f"http://{tenant.world.controller.address}:8080/metrics") as answer:
        lines = (await answer.text()).splitlines()
    wanted = [line for line in lines if line.startswith("gotk_cache_events_total{") and f'namespace="{tenant.name}"' in line]
    assert all('name="repo"' in line for line in wanted)
    return {line.partition('event_type="')[2].partition('"')[0]: float(line.rpartition(" ")[2]) for line in wanted}


async def test_a_packaged_chart_in_git(tenant: Tenant, charts: ChartServer) -> None:
    """Taken byte for byte; a strategy by revision packages it anew."""
    content = chart("3.1.4")
    folder = tenant.world.folder / f"work-{tenant.name}-main"
    await tenant.push({"readme": "x"})
    (folder / "web.tgz").write_bytes(content)
    git = tenant.world.forge.git
    await git("add", "-f", "web.tgz", cwd=folder)
    await git("commit", "--quiet", "-m", "a package", cwd=folder)
    await git("push", "--quiet", "origin", "HEAD:main", cwd=folder, token=tenant.world.token)
    repository = await tenant.repository("repo", ignore="!*.tgz\n")
    await repository.until(ready("True"))
    ref = await apply(tenant, "HelmChart", "web", **SOURCE | {"chart": "web.tgz"})
    obj = await until(tenant, ref, ready("True"))
    assert await stored(tenant, obj) == content
    assert condition(obj, "Ready")["message"] == "pulled 'web' chart with version '3.1.4'"
