"""What a revision is refused for: everything at once, each with file, object and field."""

import base64

import pytest

from fleetloop.kube import ObjectRef
from tests.e2e.kustomize.conftest import Space
from tests.e2e.kustomize.test_kustomization import CONFIG_MAP, DEPLOYMENT, ONE, TWO
from tests.kit.conditions import condition

pytestmark = pytest.mark.asyncio(loop_scope="package")

INVALID = DEPLOYMENT.replace("replicas: 1", "replicas: -1").replace("image: registry.example/web:1", "image: ''")


async def refusal(space: Space, files: dict[str, str], reason: str = "ReconciliationFailed") -> list[str]:
    await space.publish(files, ONE)
    live = await space.failed(await space.kustomization(retryInterval="1h"), reason)
    message: str = condition(live, "Ready")["message"]
    return message.splitlines()


async def test_errors_of_all_stages_name_file_object_and_field(space: Space) -> None:
    files = {
        "cluster/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: elsewhere}\n",
        "apps/web.yaml": INVALID,
        "apps/typo.yaml": CONFIG_MAP.replace("kind: ConfigMap", "kind: Configmap"),
        "apps/good.yaml": CONFIG_MAP.replace("settings", "good"),
        "apps/number.yaml": CONFIG_MAP.replace("settings", "number").replace("'1'", "1"),
        "apps/old.yaml": DEPLOYMENT.replace("apps/v1", "extensions/v1beta1").replace("name: web}\nspec", "name: old}\nspec"),
    }
    lines = await refusal(space, files)
    assert len(lines) == 5, lines
    assert lines[0].startswith(f"Namespace/{space.name} dry-run failed (Forbidden): "), "kustomize gives it the target namespace"
    assert lines[0].endswith("(in cluster/ns.yaml)")
    by_object = {line.split()[0]: line for line in lines}
    web = by_object[f"Deployment/{space.name}/web"]
    assert "spec.replicas: Invalid value: -1" in web
    assert "spec.template.spec.containers[0].image: Required value" in web
    assert web.endswith("(in apps/web.yaml)")
    number = by_object[f"ConfigMap/{space.name}/number"]
    assert ".data.a: expected string" in number
    assert by_object[f"Configmap/{space.name}/settings"] == (
        f'Configmap/{space.name}/settings dry-run failed (NotFound): no matches for kind "Configmap" in version "v1", '
        "did you mean v1 ConfigMap? (in apps/typo.yaml)"
    )
    assert "did you mean apps/v1 Deployment? (in apps/old.yaml)" in by_object[f"Deployment/{space.name}/old"]
    assert await space.kube.find(space.config_map("good")) is None


async def test_objects_of_kinds_that_the_same_revision_defines_are_not_to_blame(space: Space) -> None:
    group = f"{space.name}.example.com"
    definition = f"""apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: widgets.{group}}}
spec:
  group: {group}
  names: {{kind: Widget, plural: widgets}}
  scope: Namespaced
  versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}]
"""
    widget = f"apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: one}}\n"
    lines = await refusal(space, {"crd.yaml": definition, "widget.yaml": widget, "web.yaml": INVALID})
    assert [line.split()[0] for line in lines] == [
        f"CustomResourceDefinition/widgets.{group}",
        f"Deployment/{space.name}/web",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("apiVersion: v1", "apiversion: v1"),
            'bad.yaml: failed to decode Kubernetes apiVersion, kind and name from: {"apiversion"',
        ),
        (("kind: ConfigMap", "Kind: ConfigMap"), "/bad.yaml: missing kind in object"),
        (("{name: settings}", "{namespace: x}"), "/bad.yaml: missing metadata.name in object"),
        (("kind: ConfigMap\n", ""), "/bad.yaml: missing kind in object"),
    ],
)
async def test_no_typo_makes_an_object_vanish(space: Space, change: tuple[str, str], words: str) -> None:
    [line, *_] = await refusal(space, {"good.yaml": CONFIG_MAP, "bad.yaml": CONFIG_MAP.replace(*change)}, "BuildFailed")
    assert words in line


async def test_unknown_fields_of_built_in_kinds_are_left_out_and_told(space: Space) -> None:
    typo = DEPLOYMENT.replace("replicas: 1", "replicas: 1\n  replcas: 2").replace("name: web, image", "name: web, imge: x, image")
    await space.publish({"web.yaml": typo, "cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    event = await space.event("fields that the API does not have were left out")
    assert event["type"] == "Warning"
    assert f"Deployment/{space.name}/web spec.replcas" in event["message"]
    assert f'Deployment/{space.name}/web spec.template.spec.containers[name="web"].imge' in event["message"]
    await space.publish({"web.yaml": typo.replace("web:1", "web:2"), "cm.yaml": CONFIG_MAP}, TWO)
    await space.ready(ref, TWO)
    live = await space.kube.get(ObjectRef("apps/v1", "Deployment", space.name, "web"))
    assert live["spec"]["template"]["spec"]["containers"][0]["image"].endswith("web:2")


async def test_values_of_secrets_are_not_quoted(space: Space) -> None:
    encoded = base64.b64encode(b"hunter2").decode()
    bad = (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\ndata: {{password: 'hunter2!', number: 471174, good: {encoded}}}\n"
    )
    kind = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: tls}}\ntype: kubernetes.io/tls\ndata: {{tls.crt: {encoded}}}\n"
    message = "\n".join(await refusal(space, {"db.yaml": bad, "tls.yaml": kind}))
    assert f"Secret/{space.name}/db dry-run failed" in message
    assert f"Secret/{space.name}/tls dry-run failed" in message
    for value in ("hunter2", encoded, "471174"):
        assert value not in message


async def test_a_message_is_bounded_and_tells_how_much_is_left_out(space: Space) -> None:
    files = {f"cm-{n:04}.yaml": CONFIG_MAP.replace("settings", f"cm-{n:04}").replace("'1'", "1") for n in range(400)}
    await space.publish(files, ONE)
    live = await space.failed(await space.kustomization(retryInterval="1h"), "ReconciliationFailed")
    message = condition(live, "Ready")["message"]
    assert len(message) <= 32768
    *lines, last = message.splitlines()
    assert lines[0].startswith(f"ConfigMap/{space.name}/cm-0000 dry-run failed")
    assert lines[-1].endswith(".yaml)"), "no line is cut"
    assert last == f"and {400 - len(lines)} more"
