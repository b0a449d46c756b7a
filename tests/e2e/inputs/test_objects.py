"""Objects that tenants write: bad fields, kubeconfigs, Secrets that the API server quotes, large and twisted manifests."""

import asyncio
import json
from typing import Any

import pytest

from fleetloop.kube import ApiError, ObjectRef
from tests.e2e.inputs.conftest import CONFIG_MAP, Tenant, World, goes_on
from tests.kit.conditions import condition
from tests.kit.workloads import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

SECRET = "hunter2-very-secret"


@pytest.mark.parametrize("field", ["interval", "timeout", "retryInterval"])
@pytest.mark.parametrize("value", ["99999999999999999999h", "2562047h", "9" * 5000 + "s"], ids=["long", "longest", "endless"])
async def test_one_bad_duration_stops_one_object(tenant: Tenant, field: str, value: str) -> None:
    """CVE-2022-39272: a duration that the schema lets through and nobody can wait for; the kind goes on."""
    await tenant.publish({"cm.yaml": CONFIG_MAP if field != "retryInterval" else "kind: ["})  # needed after a failure alone
    ref = await tenant.kustomization(**{field: value})
    if value == "2562047h":  # the longest that Go's type holds
        await (tenant.failed if field == "retryInterval" else tenant.ready)(ref)
    else:
        failure = await tenant.failed(ref)
        assert "invalid duration" in failure["message"]
        assert len(failure["message"]) < 1000
    await goes_on(tenant)
    assert '"pass ended by a bug"' not in tenant.world.logs()


async def test_one_undecodable_object_stops_no_list_and_no_watch(world: World, tenant: Tenant) -> None:
    """CVE-2022-39272: a field of the wrong type, past a schema that is older or was tampered with."""
    definition = ObjectRef(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "kustomizations.kustomize.toolkit.fluxcd.io"
    )
    found = await world.kube.get(definition)
    version = next(n for n, v in enumerate(found["spec"]["versions"]) if v["name"] == "v1")
    spec = f"/spec/versions/{version}/schema/openAPIV3Schema/properties/spec"
    strict = found["spec"]["versions"][version]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    loose = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    await world.kube.patch(definition, [{"op": "replace", "path": spec, "value": loose}], patch_type="json")
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    ref = await tenant.kustomization("bad", path=[1], interval={"a": "b"})
                    break
                except ApiError:
                    await asyncio.sleep(0.2)  # the server takes a schema on a moment later and gives no event
        await goes_on(tenant)
        await world.kustomize.kill()  # and a new list holds it from the start
        await world.kustomize.start()
        await goes_on(tenant, "second")
        await world.kube.delete(ref)
        assert '"object cannot be read"' in world.logs() and f'"namespace":"{tenant.name}"' in world.logs()
    finally:
        await world.kube.patch(definition, [{"op": "replace", "path": spec, "value": strict}], patch_type="json")


HOSTILE_USERS: dict[str, dict[str, Any]] = {
    "exec": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": ["/tmp/pwned"]}},
    "auth-provider": {"auth-provider": {"name": "gcp", "config": {"cmd-path": "/bin/sh", "cmd-args": "-c id"}}},
    "tokenFile": {"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"},
    "client-certificate": {"client-certificate": "/etc/shadow", "client-key": "/etc/shadow"},
    "token": {"token": "a\r\nImpersonate-User: system:admin"},
}


@pytest.mark.parametrize("key", HOSTILE_USERS)
async def test_a_kubeconfig_runs_and_reads_nothing(tenant: Tenant, key: str) -> None:
    """CVE-2022-24817, CVE-2021-41254: commands, files and header injection in a tenant's kubeconfig are refused by name."""
    user = HOSTILE_USERS[key] | {"password": SECRET}
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": user}],
    }
    await tenant.secret("remote", value=json.dumps(document))
    await tenant.publish({"cm.yaml": CONFIG_MAP})
    ref = await tenant.kustomization(kubeConfig={"secretRef": {"name": "remote"}})
    failure = await tenant.failed(ref)
    assert key in failure["message"] and "'u'" in failure["message"]
    assert SECRET not in await tenant.shown() and "system:admin" not in await tenant.shown()
    await goes_on(tenant)


async def test_a_service_account_name_reaches_no_shell_and_no_other_identity(tenant: Tenant) -> None:
    """CVE-2021-41254, CVE-2026-23990: metacharacters and line breaks stay one name, and an empty one is refused."""
    await tenant.publish({"cm.yaml": CONFIG_MAP})
    for number, account in enumerate(["x;id", "$(id)", "x\r\nImpersonate-Group: system:masters", "../kube-system/x", ""]):
        ref = await tenant.kustomization(f"app-{number}", serviceAccountName=account)
        failure = await tenant.failed(ref)
        assert failure["reason"] in {"ReconciliationFailed", "ImpersonationFailed", "BuildFailed"}, failure
    assert await tenant.kube.find(ObjectRef("v1", "ConfigMap", tenant.name, "settings")) is None
    await goes_on(tenant)


BAD_SECRETS = {
    "type of a value": f"stringData: {{a: {{b: {SECRET}}}}}",
    "not base64": f"data: {{a: '{SECRET}!'}}",
    "immutable type": f"type: kubernetes.io/dockerconfigjson\nstringData: {{.dockerconfigjson: '{SECRET}'}}",
    "too large": f"stringData: {{a: '{SECRET * 100_000}'}}",
    "a list": f"stringData: [{SECRET}]",
    "data that is a list": f"data: [{SECRET}]\nstringData: {{a: {SECRET}}}",
    "a number": "stringData: {a: 77777777777}",
}


@pytest.mark.parametrize("case", BAD_SECRETS)
async def test_the_api_servers_words_show_no_secret(tenant: Tenant, case: str) -> None:
    """GO-2025-3433: a refusal of a Secret names the object, and quotes nothing of it in condition, event or log."""
    await tenant.publish({"s.yaml": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\n{BAD_SECRETS[case]}\n"})
    ref = await tenant.kustomization()
    failure = await tenant.failed(ref)
    assert "Secret" in failure["message"] and "db" in failure["message"]
    shown = await tenant.shown()
    assert SECRET not in shown and "77777777777" not in shown
    await goes_on(tenant)


async def test_a_patch_and_a_substitution_show_no_secret(tenant: Tenant) -> None:
    """GO-2025-3433: what comes from a Secret breaks the YAML it is put into; the message does not quote it."""
    await tenant.secret("vars", value="{" + SECRET + ": [")
    manifest = 'apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {a: "${value}"}\n'
    await tenant.publish({"s.yaml": manifest})
    ref = await tenant.kustomization(postBuild={"substituteFrom": [{"kind": "Secret", "name": "vars"}]})
    failure = await tenant.failed(ref)
    assert failure["reason"] == "BuildFailed" and "db" in failure["message"]
    assert SECRET not in await tenant.shown()
    await goes_on(tenant)


TWISTED = {
    "annotations of 1 MiB": (f"metadata: {{name: x, annotations: {{a: '{'x' * (1 << 20)}'}}}}", "ConfigMap/"),
    "a key given twice": ("metadata: {name: x}\ndata: {a: '1', a: '2'}", 'mapping key "a" already defined'),
    "a name of look-alike letters": ("metadata: {name: аpp}", "ConfigMap/"),  # Cyrillic
    "labels that are a text": ("metadata: {name: x, labels: y}", "labels"),
    "annotations that are a list": ("metadata: {name: x, annotations: [y]}", "annotations"),
    "a name that is a mapping": ("metadata: {name: {x: y}}", "name"),
    "a name of a path": ("metadata: {name: ../../x}", "ConfigMap/"),
    "a name with a line break": ('metadata: {name: "x\\nImpersonate-User: y"}', "ConfigMap/"),
    "another namespace in look-alike letters": ("metadata: {name: x, namespace: kubе-system}", "ConfigMap/"),
}


@pytest.mark.parametrize("case", TWISTED)
async def test_twisted_manifests_are_refused_by_name(tenant: Tenant, case: str) -> None:
    """Annotations of 1 MiB, duplicate keys, Unicode look-alikes: refused, and the message says of which object."""
    text, words = TWISTED[case]
    await tenant.publish({"a.yaml": f"apiVersion: v1\nkind: ConfigMap\n{text}\n"})
    failure = await tenant.failed(await tenant.kustomization(targetNamespace=None))
    assert words in failure["message"], failure["message"][:500]
    assert len(failure["message"]) < 20_000
    await goes_on(tenant)


async def test_an_artifact_url_leads_where_it_says_and_no_secret_of_it_is_shown(tenant: Tenant) -> None:
    """GHSA-v554-xwgw-hc3w: a token in a source's URL is not repeated when the connection fails."""
    await tenant.publish({"cm.yaml": CONFIG_MAP})
    source = ObjectRef("source.toolkit.fluxcd.io/v1", "ExternalArtifact", tenant.name, "app")
    url = f"http://user:{SECRET}@127.0.0.1:1/x.tar.gz?sig={SECRET}"
    await tenant.kube.patch(source, {"status": {"artifact": {"url": url}}}, subresource="status")
    ref = await tenant.kustomization()
    failure = await tenant.failed(ref)
    assert failure["reason"] == "ArtifactFailed"
    assert SECRET not in await tenant.shown()
    await goes_on(tenant)


@pytest.mark.parametrize("digest", ["md5:abc", "sha256:xyz", "sha256:" + "0" * 64])
async def test_an_artifact_is_what_its_digest_says(tenant: Tenant, digest: str) -> None:
    """GO-2024-2877: nothing enters a cache that is shared by digest unless it has this digest."""
    await tenant.publish({"cm.yaml": CONFIG_MAP})
    source = ObjectRef("source.toolkit.fluxcd.io/v1", "ExternalArtifact", tenant.name, "app")
    await tenant.kube.patch(source, {"status": {"artifact": {"digest": digest}}}, subresource="status")
    failure = await tenant.failed(await tenant.kustomization())
    assert failure["reason"] == "ArtifactFailed" and "digest" in failure["message"]
    await goes_on(tenant)


async def test_expressions_end(tenant: Tenant) -> None:
    """GO-2024-2792: CEL that would run for hours, and one that would fill the memory, end by their cost."""
    await tenant.publish({"cm.yaml": CONFIG_MAP})
    await tenant.ready(await tenant.kustomization("dependency"))
    ten = "[1,2,3,4,5,6,7,8,9,0]"
    loops = "true"
    for letter in "abcdefghij":
        loops = f"{ten}.all({letter}, {loops})"
    doubling = "'x'"
    for _ in range(14):
        doubling = f"[{doubling}].map(s, s+s+s+s)[0]"
    regex = "'" + "a" * 5000 + "'.matches('(a*)*(b|a*)*$c')"
    for number, expression in enumerate([loops, f"size({doubling}) > 0", regex, "(" * 5000 + "1" + ")" * 5000 + " == 1"]):
        depends = [{"name": "dependency", "readyExpr": expression}]
        ref = await tenant.kustomization(f"bomb-{number}", dependsOn=depends, path="./")
        live = await until(tenant.kube, ref, lambda live: condition(live, "Ready").get("status") in {"True", "False"}, 30)
        assert condition(live, "Ready")["reason"] in {"InvalidCELExpression", "DependencyNotReady"}, condition(live, "Ready")
        await tenant.kube.delete(ref)
    await goes_on(tenant)


async def test_a_tenant_reaches_no_other_tenants_things(world: World, tenant: Tenant) -> None:
    """GO-2023-1512, GO-2024-2728, CVE-2026-44935's like: sources, Secrets and kubeconfigs are of the object's own namespace."""
    other = await world.tenant()
    await other.publish({"cm.yaml": CONFIG_MAP})
    await other.secret("vars", value=SECRET)
    source = {"kind": "ExternalArtifact", "name": "app", "namespace": other.name}
    assert (await tenant.failed(await tenant.kustomization("a", sourceRef=source)))["reason"] == "AccessDenied"
    await tenant.publish({"cm.yaml": CONFIG_MAP})
    wanted = {"substituteFrom": [{"kind": "Secret", "name": f"../{other.name}/vars"}]}
    try:
        failure = await tenant.failed(await tenant.kustomization("b", postBuild=wanted))
        assert "vars" in failure["message"]
    except ApiError as refused:
        assert refused.status in {400, 422}
    assert SECRET not in await tenant.shown()
