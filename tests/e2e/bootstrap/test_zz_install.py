"""`install`, `check`, `version` and `uninstall`, one after another; the last removes what all installations share."""

import json

import pytest

from fleetloop import __version__
from fleetloop.bootstrap.components import InstallOptions, generate
from fleetloop.kube import ObjectRef
from tests.e2e.bootstrap.place import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")
V = f"v{__version__}"
KUBERNETES = "✔ Kubernetes 1.36.3 >=1.33.0-0"


async def test_export_needs_no_cluster(place: Place) -> None:
    done = await place.run("install", "--export", "--registry=r.example/x", KUBECONFIG="/nonexistent")
    assert (done.output, done.errors, done.code) == (generate(InstallOptions(registry="r.example/x")), "", 0)


async def test_check_before_anything_is_there(place: Place) -> None:
    done = await place.run("check", "--namespace=nowhere", "--pre")
    assert (done.lines, done.code) == (
        ["► checking prerequisites", KUBERNETES, "✔ prerequisites checks passed"],
        0,
    )
    no_controllers = await place.run("check", "--namespace=nowhere", "--timeout=5s")
    assert (
        "✗ no controllers found in the 'nowhere' namespace with the label selector 'app.kubernetes.io/part-of=flux'"
        in no_controllers.lines
    )
    assert (no_controllers.lines[-1], no_controllers.code) == ("✗ check failed", 1)
    unreachable = await place.run("check", "--pre", "--server=https://127.0.0.1:1")
    assert unreachable.lines[-1].startswith("✗ Kubernetes API call failed: ")
    assert unreachable.code == 1


async def test_version_of_the_program_alone(place: Place) -> None:
    assert (await place.run("version", "--client")).output == f"flux: {V}\n"
    wrong = await place.run("version", "--output=xml")
    assert wrong.lines == ["✗ --output must be json or yaml, not xml"]
    nobody = await place.run("version", "--namespace=nowhere")
    assert (nobody.lines, nobody.code) == (["✗ no deployments found in nowhere namespace"], 1)


async def test_install_then_check_and_version(followed: Place) -> None:
    place, name = followed, followed.name("ns")
    pull = ("--image-pull-secret=pull", "--registry-creds=bot:pass:word")
    done = await place.run("install", f"--namespace={name}", "--timeout=90s", *pull)
    assert done.lines == [
        "✚ generating manifests",
        "✔ manifests build completed",
        f"► installing components in {name} namespace",
        "► generating image pull secret pull",
        "◎ verifying installation",
        "✔ helm-controller: deployment ready",
        "✔ kustomize-controller: deployment ready",
        "✔ notification-controller: deployment ready",
        "✔ source-controller: deployment ready",
        "✔ install finished",
    ]
    assert done.code == 0
    assert f"Deployment/{name}/source-controller created" in done.output.splitlines()
    document = (await place.secret(name, "pull"))[".dockerconfigjson"]
    assert document.startswith(b'{\n  "auths": {')
    pulled = json.loads(document)
    assert pulled["auths"]["ghcr.io/fleetloop"]["password"] == "pass:word"

    again = await place.run("install", f"--namespace={name}", "--timeout=90s", *pull)
    assert f"Deployment/{name}/source-controller unchanged" in again.output.splitlines()
    assert again.code == 0

    checked = await place.run("check", f"--namespace={name}")
    assert checked.lines[:4] == [
        "► checking prerequisites",
        KUBERNETES,
        "► checking version in cluster",
        f"✔ distribution: flux-{V}",
    ]
    assert checked.lines[4:7] == [
        "✔ bootstrapped: false",
        "► checking controllers",
        "✔ helm-controller: deployment ready",
    ]
    assert f"► ghcr.io/fleetloop/helm-controller:{V}" in checked.lines
    assert "✔ gitrepositories.source.toolkit.fluxcd.io/v1" in checked.lines
    assert (checked.lines[-1], checked.code) == ("✔ all checks passed", 0)

    shown = await place.run("version", f"--namespace={name}")
    assert shown.output.splitlines() == [
        f"flux: {V}",
        f"distribution: flux-{V}",
        f"helm-controller: {V}",
        f"kustomize-controller: {V}",
        f"notification-controller: {V}",
        f"source-controller: {V}",
    ]
    as_json = (await place.run("version", f"--namespace={name}", "-o", "json")).output
    assert list(json.loads(as_json)) == sorted(json.loads(as_json))
    assert as_json.startswith('{\n  "distribution"')


async def test_bs45_bs46_check_looks_for_what_it_is_asked_for_and_waits_for_all_at_once(followed: Place) -> None:
    """BS45, BS46: check looks for what it is asked for and waits for all at once."""
    place, name = followed, followed.name("ns")
    assert (await place.run("install", f"--namespace={name}", "--components=source-controller")).code == 0
    asked = await place.run("check", f"--namespace={name}", "--components=source-controller,helm-controller")
    assert "✗ helm-controller: deployment not found" in asked.lines
    assert (asked.lines[-1], asked.code) == ("✗ check failed", 1)
    assert (await place.run("check", f"--namespace={name}")).code == 0

    broken = ObjectRef("apps/v1", "Deployment", name, "source-controller")
    no_nodes = {"spec": {"replicas": 0, "paused": True, "template": {"metadata": {"annotations": {"a": "b"}}}}}
    await place.kube.patch(broken, no_nodes)
    waited = await place.run("check", f"--namespace={name}", "--timeout=5s")
    assert "✗ source-controller: deployment not ready" in waited.lines
    assert "✔ gitrepositories.source.toolkit.fluxcd.io/v1" in waited.lines  # time is left for the rest


async def test_bs47_an_image_pinned_by_digest_has_a_version(followed: Place) -> None:
    """BS47: an image pinned by digest has a version."""
    place, name = followed, followed.name("ns")
    assert (await place.run("install", f"--namespace={name}", "--components=source-controller")).code == 0
    digest = "sha256:" + "1" * 64
    pinned = {"name": "manager", "image": f"r.example/source-controller@{digest}"}
    await place.kube.patch(
        ObjectRef("apps/v1", "Deployment", name, "source-controller"),
        {"spec": {"template": {"spec": {"containers": [pinned]}}}},
        patch_type="strategic",
    )
    shown = await place.run("version", f"--namespace={name}")
    assert f"source-controller: {digest}" in shown.output.splitlines()


async def test_a_bootstrapped_cluster_is_not_installed_over(place: Place) -> None:
    definition = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "gitrepositories.source.toolkit.fluxcd.io")
    label = "kustomize.toolkit.fluxcd.io/namespace"
    await place.kube.patch(definition, {"metadata": {"labels": {label: "flux-system"}}})
    try:
        done = await place.run("install", "--force", f"--namespace={place.name('ns')}")
    finally:
        await place.kube.patch(definition, {"metadata": {"labels": {label: None}}})
    assert done.lines[-1] == (
        f"✗ this cluster has already been bootstrapped with Flux {V}! Please use 'flux bootstrap' to upgrade"
    )


async def test_install_names_the_rights_it_needs(place: Place) -> None:
    done = await place.run("install", "--as=somebody", "--force", f"--namespace={place.name('ns')}")
    assert done.lines[-1].startswith("✗ cluster info unavailable: ") or "cluster-admin" in done.lines[-1]
    assert done.code == 1


async def test_objects_of_an_old_version_are_stored_in_the_current_one(followed: Place) -> None:
    place, name = followed, followed.name("ns")
    assert (await place.run("install", f"--namespace={name}")).code == 0
    old = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1beta2",
        "kind": "Kustomization",
        "metadata": {"name": "old", "namespace": name},
        "spec": {"interval": "1h", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "x"}},
    }
    await place.kube.create(old)
    done = await place.run("migrate")
    assert done.code == 0, done.errors
    assert done.lines[0] == "► starting migration of custom resources"
    assert f"✔ Kustomization/{name}/old migrated to version v1" in done.lines
    assert "✔ kustomizations.kustomize.toolkit.fluxcd.io migrated to storage version v1" in done.lines
    assert done.lines[-1] == "✔ custom resources migrated successfully"
    live = await place.kube.get(ObjectRef("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, "old"))
    assert {entry["apiVersion"] for entry in live["metadata"]["managedFields"]} == {"kustomize.toolkit.fluxcd.io/v1"}


async def test_bs43_bs44_uninstall_waits_and_tells_what_it_could_not_do(followed: Place) -> None:
    """BS42: the trailing space. BS43: foreign finalizers too. BS44: exit 1 when something is left, and why."""
    place, name = followed, followed.name("ns")
    assert (await place.run("install", f"--namespace={name}")).code == 0
    held = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "held", "namespace": name, "finalizers": ["finalizers.fluxcd.io", "example.com/foreign"]},
        "spec": {"interval": "1h", "url": "https://h/o/r"},
    }
    await place.kube.create(held)
    await place.kube.create(held | {"metadata": {"name": "free", "namespace": name}})
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app", "namespace": "default"}}
    await place.kube.apply(config)

    refused = await place.run("uninstall", f"--namespace={name}")
    assert (refused.lines, refused.code) == (["✗ aborting"], 1)
    assert "Are you sure you want to delete Flux and its custom resource definitions" in refused.output

    rehearsed = await place.run("uninstall", f"--namespace={name}", "--dry-run")
    assert f"✔ Deployment/{name}/source-controller deleted (dry run)" in rehearsed.lines
    assert f"✔ GitRepository/{name}/held finalizers deleted (dry run)" in rehearsed.lines
    assert await place.exists(ObjectRef("apps/v1", "Deployment", name, "source-controller"))

    denied = await place.run("uninstall", f"--namespace={name}", "--silent", "--as=somebody")
    assert any(line.startswith("✗ Deployment listing failed: ") for line in denied.lines)
    assert (denied.lines[-1].startswith("✗ uninstall failed: "), denied.code) == (True, 1)

    done = await place.run("uninstall", f"--namespace={name}", "--silent", "--keep-namespace", "--timeout=60s")
    assert done.code == 0, done.errors
    lines = done.lines
    assert lines[0] == f"► deleting components in {name} namespace"
    assert f"✔ Deployment/{name}/source-controller deleted " in lines
    assert f"✔ ClusterRole/crd-controller-{name} deleted " in lines
    assert f"✔ GitRepository/{name}/held finalizers deleted " in lines
    assert f"✔ GitRepository/{name}/free finalizers deleted " in lines
    assert "✔ CustomResourceDefinition/gitrepositories.source.toolkit.fluxcd.io deleted " in lines
    assert lines[-1] == "✔ uninstall finished"
    assert await place.exists(ObjectRef("v1", "Namespace", "", name))
    assert await place.exists(ObjectRef("v1", "ConfigMap", "default", "app"))
    crds = await place.kube.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    assert [crd["metadata"]["name"] for crd in crds if "fluxcd.io" in crd["metadata"]["name"]] == []
    assert await place.kube.list("v1", "Pod", name) == []
