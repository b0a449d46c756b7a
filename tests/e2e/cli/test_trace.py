"""`trace` against a real API server, and `stats` without rights."""

from typing import Any

import pytest

from fleetloop.kube import Manifest, ref_of
from tests.e2e.cli.conftest import Space
from tests.kit.cli import Finished

PREFIX = {"Kustomization": "kustomize.toolkit.fluxcd.io", "HelmRelease": "helm.toolkit.fluxcd.io"}


async def make(space: Space, api: str, kind: str, name: str, owner: tuple[str, str] | None = None, **fields: Any) -> Manifest:
    labels = {f"{PREFIX[owner[0]]}/name": owner[1], f"{PREFIX[owner[0]]}/namespace": space.name} if owner else {}
    metadata = {"name": name, "namespace": space.name, "labels": labels, **fields.pop("metadata", {})}
    return await space.kube.apply({"apiVersion": api, "kind": kind, "metadata": metadata, **fields})


async def test_by_a_kustomization(recorded: Space) -> None:
    """Through the owner of the owner; named by short names."""
    top = await make(recorded, "v1", "ConfigMap", "top", ("Kustomization", "ok"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "top", "uid": top["metadata"]["uid"]}
    await make(recorded, "v1", "ConfigMap", "below", metadata={"ownerReferences": [reference]})
    done = await recorded.cli("trace", "cm/below", "cm/top", "configmaps/below")
    assert done.code == 0, done.errors
    first, *others = done.output.split("\n---\n\n")
    blocks = first.split("---\n")
    assert (
        blocks[0] == f"\nObject:          ConfigMap/below\nNamespace:       {recorded.name}\nStatus:          Managed by Flux\n"
    )
    lines = blocks[1].splitlines()
    assert lines[0] == "Kustomization:   ok"
    assert [line.partition(":")[0] for line in lines] == [
        *("Kustomization", "Namespace", "Target", "Path", "Revision", "Status", "Message")
    ]
    assert lines[5].startswith("Status:          Last reconciled at 2026-")
    assert lines[5].endswith(" +0000 UTC")
    assert blocks[2].startswith(f"GitRepository:   repo\nNamespace:       {recorded.name}\nURL:             http://")
    assert "\nBranch:          main\nRevision:        main@sha1:" in blocks[2]
    assert [part.split("\n")[0] for part in others] == ["Object:          ConfigMap/top", "Object:          ConfigMap/below"]


async def test_by_a_helm_release(recorded: Space) -> None:
    await make(recorded, "v1", "ConfigMap", "charted", ("HelmRelease", "ok"))
    chart = {"helmChart": f"{recorded.name}/demo-ok"}
    await recorded.report(recorded.ref("HelmRelease", "ok"), **chart)
    done = await recorded.cli("trace", "configmap", "charted")
    blocks = done.output.split("---\n")
    assert blocks[0].startswith("\nObject:         ConfigMap/charted\nNamespace:      ")
    assert blocks[1].startswith("HelmRelease:    ok\nNamespace:      ")
    assert "\nRevision:       1.0.0\nStatus:         Last reconciled at " in blocks[1]
    assert blocks[2].startswith(
        f"HelmChart:      demo-ok\nNamespace:      {recorded.name}\nChart:          app\nVersion:        1.0.0\n"
    )
    assert blocks[3].startswith(f"HelmRepository: charts\nNamespace:      {recorded.name}\nURL:            oci://")
    assert blocks[3].endswith("\nStatus:         Unknown\n")


async def test_what_is_not_found_is_told(recorded: Space) -> None:
    """⚠ CLI35: rc 0, and the others are traced."""
    await make(recorded, "v1", "ConfigMap", "stray", ("Kustomization", "gone"))
    await make(recorded, "v1", "ConfigMap", "mine", ("Kustomization", "ok"))
    done = await recorded.cli("trace", "cm", "stray", "mine")
    error = 'failed to find kustomization: kustomizations.kustomize.toolkit.fluxcd.io "gone" not found'
    assert done.errors == f"failed to trace ConfigMap/stray in namespace {recorded.name}: {error}\n"
    assert done.code == 0
    assert done.output.startswith("\nObject:          ConfigMap/mine\n")


async def test_failures_are_worded_by_kind(recorded: Space) -> None:
    """⚠ CLI36: a repository says that it failed, a Kustomization does not."""
    await make(recorded, "v1", "ConfigMap", "failing", ("Kustomization", "build-fails"))
    ready = {"type": "Ready", "status": "False", "reason": "x", "message": "no", "lastTransitionTime": "2026-11-24T00:31:05Z"}
    await recorded.report(recorded.ref("GitRepository", "repo"), conditions=[ready])
    done = await recorded.cli("trace", "cm/failing")
    _, kustomization, repository = done.output.split("---\n")
    assert "\nStatus:          Last reconciled at 2026-" in kustomization
    assert repository.endswith(
        "\nStatus:          Last reconciliation failed at 2026-11-24 00:31:05 +0000 UTC\nMessage:         no\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "either `<resource>/<name>` or `<resource> <name>` is required as an argument"),
        (("app",), "either `<resource>/<name>` or `<resource> <name>` is required as an argument"),
        (("--kind=Deployment",), "object name is required"),
        (("app", "--api-version=v1"), "object kind is required (--kind)"),
        (("app", "--kind=Pod"), "object apiVersion is required (--api-version)"),
        (("app", "--kind=Pod", "--api-version=a/b/c"), "invaild apiVersion: unexpected GroupVersion string: a/b/c"),
        (("nonsense/app",), 'x: the server doesn\'t have a resource type "nonsense"'),
        (("deployments.batch/app",), 'x: the server doesn\'t have a resource type "deployments.batch"'),
        (("deployments.apps/app",), 'x: deployments.apps "app" not found'),
        (("app", "--kind=Pod", "--api-version=v1"), 'failed to find object: pods "app" not found'),
    ],
)
async def test_usage(space: Space, words: tuple[str, ...], message: str) -> None:
    assert await space.cli("trace", *words) == Finished("", f"✗ {message}\n", 1)


async def test_stats_without_rights(recorded: Space) -> None:
    """⚠ CLI41: the exit code stays 0; that the numbers are none for want of rights is told."""
    done = await recorded.cli("stats", "--as=nobody")
    assert done.code == 0
    assert "Kustomization        \t0" in done.output
    assert "⚠️ Kustomization is not counted: kustomizations.kustomize.toolkit.fluxcd.io is forbidden" in done.errors


async def test_a_cluster_object(space: Space) -> None:
    found = await space.cli("trace", f"ns/{space.name}")
    assert found.errors == f"failed to trace Namespace/{space.name} in namespace : object not managed by Flux\n"
    assert ref_of({"kind": "Namespace", "metadata": {"name": "x"}}).namespace == ""
