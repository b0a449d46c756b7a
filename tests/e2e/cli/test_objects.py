"""Verbs that change or show objects and wait for nobody."""

import base64
import gzip
import json

from fleetloop.api.yaml import load
from fleetloop.kube import ObjectRef, labels_of
from tests.e2e.cli.conftest import Space

RELEASE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: web}
"""


async def test_delete_asks(recorded: Space) -> None:
    ref = recorded.ref("Alert", "x")
    await recorded.kube.apply(
        {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "metadata": {"name": "x", "namespace": recorded.name},
            "spec": {"providerRef": {"name": "p"}, "eventSources": [{"kind": "Kustomization", "name": "*"}]},
        }
    )
    refused = await recorded.cli("delete", "alert", "x")
    assert (refused.code, refused.errors) == (1, "✗ aborting\n")
    assert "Are you sure you want to delete this alert? [y/N]" in refused.output
    done = await recorded.cli("delete", "alert", "x", answers="y\n")
    assert (done.code, done.errors) == (0, f"► deleting alert x in {recorded.name} namespace\n✔ alert deleted\n")
    assert await recorded.kube.find(ref) is None


async def test_objects_for_scripts(recorded: Space) -> None:
    found = json.loads((await recorded.cli("get", "ks", "-o", "json")).output)
    assert (found["kind"], [item["metadata"]["name"] for item in found["items"]]) == (
        "List",
        ["build-fails", "never-healthy", "ok"],
    )
    one = load((await recorded.cli("get", "source", "git", "repo", "-o", "yaml")).output)
    assert (one["kind"], one["metadata"]["name"]) == ("GitRepository", "repo")
    everything = json.loads((await recorded.cli("get", "all", "-o", "json")).output)
    assert {item["kind"] for item in everything["items"]} >= {"Kustomization", "HelmRelease", "ImagePolicy", "HelmChart"}


async def test_a_tree_goes_through_kustomizations_and_releases(recorded: Space) -> None:
    """⚠ CLI37: compact leaves out all but the toolkit's own kinds."""
    inventory = [
        {"id": f"{recorded.name}_ok_helm.toolkit.fluxcd.io_HelmRelease", "v": "v2"},
        {"id": f"{recorded.name}_never-healthy_kustomize.toolkit.fluxcd.io_Kustomization", "v": "v1"},
        {"id": f"{recorded.name}_ok_kustomize.toolkit.fluxcd.io_Kustomization", "v": "v1"},
        {"id": "_fleet_rbac.authorization.k8s.io_ClusterRole", "v": "v1"},
    ]
    await recorded.report(recorded.ref("Kustomization", "ok"), inventory={"entries": inventory})
    packed = base64.b64encode(gzip.compress(json.dumps({"manifest": RELEASE}).encode())).decode()
    await recorded.kube.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "sh.helm.release.v1.ok.v1", "namespace": recorded.name},
            "stringData": {"release": packed},
        }
    )
    namespace = recorded.name
    assert (await recorded.cli("tree", "ks", "ok")).output.splitlines() == [
        f"Kustomization/{namespace}/ok",
        f"├── HelmRelease/{namespace}/ok",
        f"│   ├── Service/{namespace}/web",
        "│   └── ClusterRole/web",
        f"├── Kustomization/{namespace}/never-healthy",
        f"│   └── Deployment/{namespace}/never",
        f"├── Kustomization/{namespace}/ok",
        "└── ClusterRole/fleet",
        "",
    ]
    assert (await recorded.cli("tree", "ks", "ok", "--compact")).output.splitlines() == [
        f"Kustomization/{namespace}/ok",
        f"├── HelmRelease/{namespace}/ok",
        f"├── Kustomization/{namespace}/never-healthy",
        f"└── Kustomization/{namespace}/ok",
        "",
    ]


async def test_a_tenant_keeps_the_labels_of_its_namespace(space: Space) -> None:
    """⚠ CLI18."""
    namespace = ObjectRef("v1", "Namespace", "", space.name)
    await space.kube.patch(namespace, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    done = await space.cli("create", "tenant", "team", f"--with-namespace={space.name}", "--label=cost=42")
    assert done.code == 0
    labels = labels_of(await space.kube.get(namespace))
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert (labels["toolkit.fluxcd.io/tenant"], labels["cost"]) == ("team", "42")


async def test_suspend_when_it_is_refused(recorded: Space) -> None:
    """⚠ CLI27: by name a line and success, whatever is refused; with --all an error."""
    user, rbac = f"viewer-{recorded.name}", "rbac.authorization.k8s.io"
    by_name = await recorded.cli("suspend", "ks", "ok", "build-fails", f"--as={user}")
    assert by_name.code == 0
    assert [line.partition(":")[0] for line in by_name.errors.splitlines()] == [
        f"✗ failed suspending Kustomization {name} in {recorded.name} namespace" for name in ("ok", "build-fails")
    ]
    await recorded.kube.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "viewer", "namespace": recorded.name},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "viewer"},
            "subjects": [{"kind": "User", "name": user}],
        }
    )
    group = recorded.ref("Kustomization", "ok").group
    await recorded.kube.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": {"name": "viewer", "namespace": recorded.name},
            "rules": [{"apiGroups": [group], "resources": ["kustomizations"], "verbs": ["get", "list"]}],
        }
    )
    all_of_them = await recorded.cli("suspend", "ks", "--all", f"--as={user}")
    assert all_of_them.code == 1
    assert all_of_them.errors.splitlines()[-1].startswith("✗ kustomizations.kustomize.toolkit.fluxcd.io ")
    by_name = await recorded.cli("suspend", "ks", "ok", f"--as={user}")
    assert by_name.code == 0
    assert f"✗ failed suspending Kustomization ok in {recorded.name} namespace: " in by_name.errors


async def test_resume_leaves_no_trace(recorded: Space) -> None:
    ref = recorded.ref("Kustomization", "ok")
    before = await recorded.kube.get(ref)
    await recorded.cli("resume", "ks", "ok", "--wait=false")
    assert (await recorded.kube.get(ref))["metadata"]["generation"] == before["metadata"]["generation"]
    await recorded.cli("suspend", "ks", "ok")
    await recorded.cli("resume", "ks", "ok", "--wait=false")
    after = await recorded.kube.get(ref)
    assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], before["metadata"]["generation"] + 2)
