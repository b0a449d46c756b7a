"""`build` and `diff helmrelease` against a real API server, with charts of the cluster's sources and of this machine."""

import asyncio
import base64
import gzip
import io
import socket
import tarfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fleetloop.api.yaml import load_all
from fleetloop.kube import Kube, Manifest, ObjectRef, ref_of
from fleetloop.kube.inventory import id_of
from tests.e2e.cli.conftest import Space
from tests.kit.artifacts import ArtifactServer, artifact_server
from tests.kit.cli import Finished

CHANGED = "⚠️ identified at least one change, exiting with non-zero exit code\n"
HIDDEN = "pa55word-of-the-chart"
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "values.yaml": "greeting: hello\npassword: none\n",
    "templates/settings.yaml": """apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data: {greeting: {{ .Values.greeting | quote }}, upgrade: {{ .Release.IsUpgrade | quote }}}
""",
    "templates/password.yaml": """apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-password}
stringData: {password: {{ .Values.password | quote }}}
""",
    "templates/cluster.yaml": """{{- if .Capabilities.APIVersions.Has "helm.toolkit.fluxcd.io/v2/HelmRelease" }}
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-cluster}
data: {version: {{ .Capabilities.KubeVersion.Version }}}
{{- end }}
""",
    "templates/hook.yaml": """apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-hook, annotations: {helm.sh/hook: pre-install}}
""",
    "templates/test.yaml": """apiVersion: v1
kind: Pod
metadata: {name: {{ .Release.Name }}-test, annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: t, image: x}]}
""",
    "crds/widgets.yaml": """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.cli.example.com}
spec:
  group: cli.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
""",
}
POST_RENDERERS = [
    {"kustomize": {"patches": [{"patch": "- {op: add, path: /data/patched, value: 'yes'}", "target": {"name": "app-settings"}}]}}
]


def package(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(f"web/{path}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0)


class Releases:
    """A HelmRelease `app`, which takes its chart from the OCIRepository `chart`."""

    def __init__(self, space: Space, artifacts: ArtifactServer, folder: Path) -> None:
        self.space, self._artifacts, self.folder = space, artifacts, folder

    def manifest(self, kind: str, name: str, **spec: Any) -> Manifest:
        ref = self.space.ref(kind, name)
        metadata = {"name": name, "namespace": self.space.name}
        return {"apiVersion": ref.api_version, "kind": kind, "metadata": metadata, "spec": spec}

    def release(self, **spec: Any) -> Manifest:
        wanted = {"interval": "1h", "chartRef": {"kind": "OCIRepository", "name": "chart"}} | spec
        return self.manifest("HelmRelease", "app", **{key: value for key, value in wanted.items() if value is not None})

    async def publish(self, files: Mapping[str, str] = CHART, **where: str) -> None:
        artifact = self._artifacts.serve_archive(package(files), "1.0.0@sha256:" + "0a" * 32) | where
        await self.space.kube.apply(self.manifest("OCIRepository", "chart", interval="1h", url="oci://registry.example/web"))
        await self.space.report(self.space.ref("OCIRepository", "chart"), artifact=artifact, observedGeneration=1)

    def write_chart(self, files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = self.folder / "charts" / "web" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return self.folder / "charts" / "web"

    def write_release(self, **spec: Any) -> Path:
        from fleetloop.api.yaml import dump

        path = self.folder / "app.yaml"
        path.write_text(dump(self.release(**spec)))
        return path

    async def build(self, *words: str) -> dict[str, Manifest]:
        """By name, what was printed."""
        done = await self.space.cli("build", "helmrelease", "app", *words)
        assert done.code == 0, done.errors
        return {document["metadata"]["name"]: document for document in load_all(done.output) if document}

    async def diff(self, *words: str) -> Finished:
        return await self.space.cli("diff", "hr", "app", *words)

    async def apply(self, *manifests: Manifest) -> list[Manifest]:
        """As the controller would have."""
        marks = {"meta.helm.sh/release-name": "app", "meta.helm.sh/release-namespace": self.space.name}
        origin = {f"helm.toolkit.fluxcd.io/{key}": value for key, value in (("name", "app"), ("namespace", self.space.name))}
        for manifest in manifests:
            metadata = {
                "annotations": marks,
                "labels": origin | {"app.kubernetes.io/managed-by": "Helm"},
                "namespace": self.space.name,
            } | manifest["metadata"]
            await self.space.kube.apply({**manifest, "metadata": metadata}, field_manager="helm-controller")
        return list(manifests)

    async def owns(self, *manifests: Manifest) -> None:
        entries = [{"id": id_of(ref_of(m)), "v": m["apiVersion"].rpartition("/")[2]} for m in manifests]
        await self.space.report(self.space.ref("HelmRelease", "app"), inventory={"entries": entries})


@pytest.fixture
async def releases(space: Space, tmp_path: Path) -> AsyncIterator[Releases]:
    async with artifact_server() as artifacts:
        yield Releases(space, artifacts, tmp_path)


async def test_build_with_the_chart_of_the_cluster(releases: Releases) -> None:
    """Values of references and inline, target paths, post-renderers, what the cluster serves; Secrets are masked."""
    space = releases.space
    await releases.publish()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "values", "namespace": space.name}}
    await space.kube.apply(secret | {"stringData": {"values.yaml": "greeting: from secret", "pw": HIDDEN}})
    refs = [
        {"kind": "Secret", "name": "values"},
        {"kind": "Secret", "name": "values", "valuesKey": "pw", "targetPath": "password"},
    ]
    release = releases.release(valuesFrom=refs, values={"greeting": "inline"}, postRenderers=POST_RENDERERS)
    await space.kube.apply(release)
    found = await releases.build()
    order = ["widgets.cli.example.com", "app-password", "app-cluster", "app-settings", "app-hook"]
    assert list(found) == order
    settings = found["app-settings"]
    assert settings["data"] == {"greeting": "inline", "upgrade": "false", "patched": "yes"}
    assert settings["metadata"]["labels"] == {
        "helm.toolkit.fluxcd.io/name": "app",
        "helm.toolkit.fluxcd.io/namespace": space.name,
    }
    assert found["app-cluster"]["data"]["version"] == (await space.kube.server_version())["gitVersion"]
    assert found["app-password"]["stringData"] == {"password": "***"}
    shown = await releases.build("--show-secrets")
    assert shown["app-password"]["stringData"] == {"password": HIDDEN}
    wrong = [{"kind": "Secret", "name": "nope"}]
    await space.kube.patch(ref_of(release), {"spec": {"valuesFrom": wrong}})
    failed = await space.cli("build", "hr", "app")
    place = f"'{space.name}/nope' with key 'values.yaml'"
    error = f'could not resolve Secret chart values reference {place}: secrets "nope" not found'
    assert failed == Finished("", f"✗ {error}\n", 1)


async def test_build_without_a_cluster(releases: Releases) -> None:
    chart = releases.write_chart(CHART | {"ci.yaml": "greeting: ci"})
    source = {"kind": "GitRepository", "name": "apps"}
    template = {"spec": {"chart": "./charts/web", "sourceRef": source, "valuesFiles": ["values/shared.yaml"]}}
    (releases.folder / "values").mkdir()
    (releases.folder / "values" / "shared.yaml").write_text("greeting: shared\npassword: none")
    file = releases.write_release(
        chartRef=None,
        chart=template,
        valuesFrom=[{"kind": "Secret", "name": "x"}],
        test={"enable": True},
        install={"crds": "Skip"},
    )
    words = ("build", "hr", "app", "--dry-run", f"--helmrelease-file={file}", f"--chart-path={chart}")
    done = await releases.space.cli(*words, "--kubeconfig=/dev/null")
    assert (done.code, done.errors) == (0, "⚠️ values of spec.valuesFrom are left out, as no cluster is asked\n")
    found = {document["metadata"]["name"]: document for document in load_all(done.output) if document}
    assert found["app-settings"]["data"]["greeting"] == "shared"
    assert found.keys() == {"app-password", "app-settings", "app-hook", "app-test"}


async def test_chart_through_the_api_server(releases: Releases) -> None:
    """From a laptop the address of source-controller's Service leads nowhere; the API server passes the request on."""
    content = package(CHART)

    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=content)

    app = web.Application()
    app.router.add_get("/chart.tgz", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        address = own_address()
        await web.TCPSite(runner, address, 0).start()
        port = runner.addresses[0][1]
        kube, namespace = releases.space.kube, releases.space.name
        await expose(kube, namespace, address, port)
        await releases.publish(url=f"http://source-controller.{namespace}.svc.cluster.local./chart.tgz")
        await kube.apply(releases.release())
        assert "app-settings" in await releases.build()
        content = package(CHART | {"other": "content"})
        tampered = await releases.space.cli("build", "hr", "app")
        assert tampered.code == 1
        assert "has not the digest" in tampered.errors
    finally:
        await runner.cleanup()


async def expose(kube: Kube, namespace: str, address: str, port: int) -> None:
    """A Service `source-controller` with one pod that has this address; the API server passes requests on to pods alone."""
    metadata = {"name": "source-controller", "namespace": namespace}
    pod = ObjectRef("v1", "Pod", namespace, "source-controller")
    spec = {"containers": [{"name": "manager", "image": "x"}], "schedulerName": "none"}  # no node gives it another address
    await kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    await kube.patch(pod, {"status": {"podIP": address, "podIPs": [{"ip": address}]}}, subresource="status")
    ports = [{"name": "http", "port": 80, "targetPort": port, "protocol": "TCP"}]
    await kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}})
    target = {"kind": "Pod", "name": pod.name, "namespace": namespace}
    subset = {"addresses": [{"ip": address, "targetRef": target}], "ports": [{"name": "http", "port": port, "protocol": "TCP"}]}
    await kube.apply({"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": [subset]})
    path = f"/api/v1/namespaces/{namespace}/services/source-controller:80/proxy/chart.tgz"
    async with asyncio.timeout(20):
        while (await kube.raw("GET", path))[0] != 200:  # noqa: ASYNC110  # what it knows of pods cannot be watched
            await asyncio.sleep(0.2)


def own_address() -> str:
    """Of this machine; the API server passes nothing on to loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("192.0.2.1", 9))
        return str(one.getsockname()[0])


async def test_an_older_chart_is_not_taken_for_the_one_asked_for(releases: Releases) -> None:
    space = releases.space
    source = {"kind": "HelmRepository", "name": "charts"}
    template = {"spec": {"chart": "web", "version": "1.0.0", "sourceRef": source}}
    file = releases.write_release(chartRef=None, chart={"spec": template["spec"] | {"version": "2.0.0"}})
    await space.kube.apply(releases.release(chartRef=None, chart=template))
    missing = await space.cli("build", "hr", "app")
    assert missing.errors.endswith("not found; --chart-path takes a chart of this machine\n")
    await space.kube.apply(releases.manifest("HelmChart", f"{space.name}-app", interval="1h", **template["spec"]))
    refused = await space.cli("build", "hr", "app", f"--helmrelease-file={file}")
    name = f"{space.name}/{space.name}-app"
    text = f"HelmChart {name} of the cluster is not the chart that is asked for (spec.version); --chart-path takes the new one"
    assert refused == Finished("", f"✗ {text}\n", 1)


async def test_diff(releases: Releases) -> None:
    """Exit codes as those of `diff kustomization`; what the chart does not bring any more is deleted, unless it says keep."""
    space = releases.space
    ns = space.name
    files = {key: text for key, text in CHART.items() if key not in ("crds/widgets.yaml", "templates/cluster.yaml")}
    await releases.publish(files)
    await space.kube.apply(releases.release(values={"password": HIDDEN}))
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app-settings"}}
    password = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app-password"}, "type": "Opaque"}
    old: Manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old", "namespace": ns}}
    kept: Manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": ns}}
    created = await releases.diff()
    assert created == Finished(f"► Secret/{ns}/app-password created\n► ConfigMap/{ns}/app-settings created\n", CHANGED, 1)

    await releases.apply(
        settings | {"data": {"greeting": "hello", "upgrade": "false"}},
        password | {"data": {"password": base64.b64encode(HIDDEN.encode()).decode()}},
    )
    assert await releases.diff() == Finished("", "", 0)

    await releases.apply(old, kept | {"metadata": kept["metadata"] | {"annotations": {"helm.sh/resource-policy": "keep"}}})
    await releases.owns(old, kept)
    file = releases.write_release(values={"password": "another-pa55word", "greeting": "bye"})
    done = await releases.diff(f"--helmrelease-file={file}")
    assert (done.code, done.errors) == (1, CHANGED)
    assert HIDDEN not in done.output
    assert "another-pa55word" not in done.output
    lines = [line for line in done.output.splitlines() if line.startswith(("►", "- ", "+ "))]
    assert lines == [
        f"► Secret/{ns}/app-password drifted",
        "- *** (before)",
        "+ *** (after)",
        f"► ConfigMap/{ns}/app-settings drifted",
        "- hello",
        "+ bye",
        f"► ConfigMap/{ns}/old deleted",
        f"► ConfigMap/{ns}/kept skipped",
    ]


async def test_diff_of_a_release_that_is_not_there_yet(releases: Releases) -> None:
    ns, chart = releases.space.name, releases.write_chart(CHART)
    widget = "apiVersion: cli.example.com/v1\nkind: Widget\nmetadata: {name: one}\n"
    releases.write_chart({"templates/widget.yaml": widget})
    done = await releases.diff(f"--helmrelease-file={releases.write_release()}", f"--chart-path={chart}")
    created = ("CustomResourceDefinition/widgets.cli.example.com", f"Widget/{ns}/one", f"Secret/{ns}/app-password")
    assert (done.code, done.errors) == (1, CHANGED)
    assert set(created) <= {line.removeprefix("► ").removesuffix(" created") for line in done.output.splitlines()}


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (("build", "hr"), "helmrelease name is required", 1),
        (("diff", "hr"), "helmrelease name is required", 2),
        (("build", "hr", "app", "--helmrelease-file=/nope"), 'invalid helmrelease file "/nope"', 1),
        (("diff", "hr", "app", "--chart-path=/nope"), 'invalid chart path "/nope"', 2),
        (("build", "hr", "app", "--dry-run"), "dry-run mode requires a helmrelease file and a chart path", 1),
        (
            ("diff", "hr", "app"),
            'failed to get helmrelease object: helmreleases.helm.toolkit.fluxcd.io "app" not found',
            2,
        ),
    ],
)
async def test_usage(space: Space, words: tuple[str, ...], message: str, code: int) -> None:
    assert await space.cli(*words) == Finished("", f"✗ {message}\n", code)
