"""Charts and values that mean harm: what they may reach is their own release. Rows of bad-inputs.md about Helm."""

import gzip
import io
import tarfile

import pytest

from fleetloop.kube import ApiError, Manifest, ObjectRef
from tests.e2e.helm.conftest import CONFIG_MAP, HELM_API, Space, chart
from tests.kit.conditions import condition

pytestmark = pytest.mark.asyncio(loop_scope="package")

RBAC = "rbac.authorization.k8s.io/v1"
LOOKUP = """apiVersion: v1
kind: ConfigMap
metadata: {name: stolen}
data: {it: {{ (lookup "v1" "Secret" "NAMESPACE" "target").data | toJson | quote }}}
"""
HOOK = """apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: taken-over, annotations: {helm.sh/hook: pre-install}}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]
"""
RECURSION = '{"$ref": "#/definitions/a", "definitions": {"a": {"allOf": [{"$ref": "#/definitions/a"}]}}}'


async def tenant(space: Space) -> None:
    """ServiceAccount `tenant`: everything in its namespace, nothing elsewhere."""
    place = {"name": "tenant", "namespace": space.name}
    subject = {"kind": "ServiceAccount", **place}
    await space.kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    await space.kube.apply({"apiVersion": RBAC, "kind": "RoleBinding", "metadata": place, "roleRef": role, "subjects": [subject]})


async def secret(space: Space, namespace: str, content: dict[str, str]) -> ObjectRef:
    ref = ObjectRef("v1", "Secret", namespace, "target")
    metadata = {"name": "target", "namespace": namespace, "labels": {"reconcile.fluxcd.io/watch": "Enabled"}}
    await space.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": content})
    return ref


async def test_lookup_is_the_tenants_cve_2026_41050(space: Space) -> None:
    """Rendering sees what the release's service account may see, no more."""
    await tenant(space)
    await secret(space, "default", {"password": "hunter2"})
    await secret(space, space.name, {"own": "1"})
    await space.publish(chart(templates={"stolen.yaml": LOOKUP.replace("NAMESPACE", "default")}))
    await space.install(serviceAccountName="tenant")
    live = await space.failed("InstallFailed")
    assert (
        f'User "system:serviceaccount:{space.name}:tenant" cannot get resource "secrets"' in condition(live, "Ready")["message"]
    )
    await space.publish(chart("1.0.1", templates={"stolen.yaml": LOOKUP.replace("NAMESPACE", space.name)}), "1.0.1")
    await space.ready()
    assert await space.kube.find(space.config_map("stolen"))


async def test_hooks_and_objects_are_the_tenants(space: Space) -> None:
    await tenant(space)
    await space.publish(chart(templates={"hook.yaml": HOOK, "settings.yaml": CONFIG_MAP}))
    await space.install(serviceAccountName="tenant")
    live = await space.failed("InstallFailed")
    assert f'User "system:serviceaccount:{space.name}:tenant" cannot' in condition(live, "Ready")["message"]
    assert await space.kube.find(ObjectRef(RBAC, "ClusterRole", "", "taken-over")) is None


async def test_values_that_cannot_be_read_are_not_quoted(space: Space) -> None:
    await secret(space, space.name, {"values.yaml": "password: hunter2: [}\n"})
    await space.publish(chart())
    await space.install(valuesFrom=[{"kind": "Secret", "name": "target"}])
    live = await space.failed("ValuesError")
    told = f"could not resolve Secret chart values reference '{space.name}/target' with key 'values.yaml'"
    assert told in condition(live, "Ready")["message"]
    await secret(space, space.name, {"values.yaml": "hunter2"})
    await space.until(space.release, lambda live: "hunter2" not in str(live["status"]) and bool(condition(live, "Ready")))
    assert not [line for line in await space.events() if "hunter2" in str(line)]
    assert "hunter2" not in (space.world.controller.folder / "log").read_text()


def packed(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for path, target in (links or {}).items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return out.getvalue()


META = b"apiVersion: v2\nname: web\nversion: 1.0.0\n"
HOSTILE = {
    "a file of 300 MiB": packed({"web/Chart.yaml": META, "web/big": b"\0" * (300 << 20)}),
    "a name that leads out": packed({"../web/Chart.yaml": META}),
    "a chart named dot": packed({"web/Chart.yaml": META.replace(b"name: web", b"name: .")}),
    "no chart": packed({"web/Chart.yaml": b"null"}),
    "a device as schema": chart(templates={"values.schema.json": '{"$ref": "file:///dev/zero"}'}),
    "a schema of the network": chart(templates={"values.schema.json": '{"$ref": "http://127.0.0.1:1/x"}'}),
    "endless repetition": chart(templates={"t.yaml": '{{ repeat 2000000000 "aaaaaaaaaaaaaaaa" }}'}),
    "recursion": chart(templates={"t.yaml": '{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}'}),
    "null where a map is": chart(templates={"t.yaml": "a: {{ .Values.x.y.z }}"}, values="x: null\n"),
    "a billion laughs": chart(values="a: &a [1,1]\n" + "".join(
        f"{x}: &{x} [{','.join([f'*{y}'] * 9)}]\n" for y, x in zip("abcdefghij", "bcdefghijk", strict=True)
    )),
}  # fmt: skip


def with_schema(name: str, content: bytes) -> bytes:
    """`chart` puts what has no folder into templates/; a schema lies beside Chart.yaml."""
    if "schema" not in name:
        return content
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        files = {m.name.replace("templates/values.schema", "values.schema"): read(tar, m) for m in tar.getmembers()}
    return packed(files)


def read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    found = tar.extractfile(member)
    assert found
    return found.read()


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_charts_fail_alone(space: Space, name: str) -> None:
    """The release says why; another one beside it is released as ever."""
    await space.publish(with_schema(name, HOSTILE[name]))
    await space.install()

    def failed(live: Manifest) -> bool:
        ready = condition(live, "Ready")
        return ready.get("status") == "False" and ready["reason"] in {"ArtifactFailed", "InstallFailed", "ValuesError"}

    await space.until(space.release, failed)
    good = Space(space.world, f"{space.name}-good")
    await space.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": good.name}})
    await good.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    await good.install()
    await good.ready()
    await space.kube.delete(ObjectRef(HELM_API, "HelmRelease", space.name, "app"))


async def test_a_schema_that_contains_itself(space: Space) -> None:
    """It is finite for finite values, or refused; nobody dies of it."""
    await space.publish(with_schema("schema", chart(templates={"values.schema.json": RECURSION})))
    await space.install()
    await space.until(space.release, lambda live: condition(live, "Ready").get("status") in {"True", "False"})


async def test_values_come_from_the_own_namespace_alone_cve_2026_44935(space: Space) -> None:
    """The API has no field for another one: refused, or left out where it is not applied but created."""
    await secret(space, "default", {"values.yaml": "greeting: hunter2\n"})
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    values = [{"kind": "Secret", "name": "target", "namespace": "default"}]
    with pytest.raises(ApiError, match="field not declared in schema"):
        await space.install(valuesFrom=values)
    source = {"kind": "OCIRepository", "name": "chart"}
    await space.kube.create(space.manifest(HELM_API, "HelmRelease", "app", interval="1h", chartRef=source, valuesFrom=values))
    live = await space.failed("ValuesError")
    told = f"could not resolve Secret chart values reference '{space.name}/target' with key 'values.yaml'"
    assert condition(live, "Ready")["message"].startswith(told)
    assert await space.kube.find(space.config_map()) is None


async def test_secret_values_are_in_no_status_go_2025_3927(space: Space) -> None:
    """Neither when they are used, nor when the chart's own schema refuses them."""
    await secret(space, space.name, {"values.yaml": "greeting: hunter2\n"})
    schema = '{"type": "object", "properties": {"greeting": {"type": "string", "pattern": "^[a-z]+$"}}}'
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    values = [{"kind": "Secret", "name": "target"}]
    await space.install(valuesFrom=values)
    live = await space.ready()
    assert (await space.kube.get(space.config_map()))["data"] == {"greeting": "hunter2"}
    assert "hunter2" not in str(live)
    await space.publish(
        with_schema("schema", chart("1.0.1", {"settings.yaml": CONFIG_MAP, "values.schema.json": schema})), "1.0.1"
    )
    live = await space.failed("UpgradeFailed")
    message = condition(live, "Ready")["message"]
    assert "greeting" in message and "hunter2" not in str(live) + str(await space.events())
    assert "hunter2" not in (space.world.controller.folder / "log").read_text()


async def test_hooks_of_the_deletion_are_the_tenants_cve_2026_77459(space: Space) -> None:
    await tenant(space)
    hook = HOOK.replace("taken-over", f"taken-{space.name}").replace("pre-install", "pre-delete")
    await space.publish(chart(templates={"hook.yaml": hook, "settings.yaml": CONFIG_MAP}))
    await space.install(serviceAccountName="tenant")
    await space.ready()
    await space.kube.delete(space.release)
    live = await space.failed("UninstallFailed", "Released")
    message = condition(live, "Released")["message"]
    assert f'User "system:serviceaccount:{space.name}:tenant" cannot' in message
    assert await space.kube.find(ObjectRef(RBAC, "ClusterRole", "", f"taken-{space.name}")) is None
    await space.kube.patch(space.release, {"spec": {"suspend": True}})
    await space.until_gone(space.release)
