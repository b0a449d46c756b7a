"""Verbs that wait for a controller; the test writes what one would write, into a real API server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fleetloop.api.names import FORCE_AT, REQUESTED_AT, RESET_AT
from fleetloop.kube import Manifest, ObjectRef, annotations_of
from tests.e2e.cli.conftest import DEADLINE, Space
from tests.kit.cli import Finished
from tests.kit.workloads import until

Pass = Callable[[Manifest], dict[str, Any]]


def ready(obj: Manifest, status: str = "True", message: str = "", **more: Any) -> dict[str, Any]:
    generation = obj["metadata"]["generation"]
    condition = {
        "type": "Ready",
        "status": status,
        "reason": "Tested",
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": generation,
    }
    return {"conditions": [condition], "observedGeneration": generation} | more


async def controlled(space: Space, ref: ObjectRef, wakes: Callable[[Manifest], bool], make: Pass) -> None:
    """One pass of a controller, once the object is as `wakes` wants it."""
    obj = await until(space.kube, ref, wakes, DEADLINE)
    handled = annotations_of(obj).get(REQUESTED_AT)
    status = make(obj) | ({"lastHandledReconcileAt": handled} if handled else {})
    await space.report(ref, **status)


async def together(command: Awaitable[Finished], *passes: Awaitable[None]) -> Finished:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(_finished(command))
        for one in passes:
            group.create_task(_done(one))
    return running.result()


async def _finished(command: Awaitable[Finished]) -> Finished:
    return await command


async def _done(one: Awaitable[None]) -> None:
    await one


def requested(before: str | None) -> Callable[[Manifest], bool]:
    return lambda obj: annotations_of(obj).get(REQUESTED_AT) not in {None, before}


def resumed(obj: Manifest) -> bool:
    return "suspend" not in obj["spec"]


def exists(obj: Manifest) -> bool:
    return True


async def test_reconcile_tells_the_revision(recorded: Space) -> None:
    ref = recorded.ref("Kustomization", "ok")
    done = await together(
        recorded.cli("reconcile", "kustomization", "ok"),
        controlled(recorded, ref, requested(None), lambda obj: ready(obj, lastAppliedRevision="main@sha1:new")),
    )
    assert done == Finished(
        "",
        f"► annotating Kustomization ok in {recorded.name} namespace\n"
        "✔ Kustomization annotated\n"
        "◎ waiting for Kustomization reconciliation\n"
        "✔ applied revision main@sha1:new\n",
        0,
    )


async def test_reconcile_with_source_reconciles_the_source_first(recorded: Space) -> None:
    source, ref = recorded.ref("GitRepository", "repo"), recorded.ref("Kustomization", "ok")
    done = await together(
        recorded.cli("reconcile", "ks", "ok", "--with-source"),
        controlled(recorded, source, requested(None), ready),
        controlled(recorded, ref, requested(None), lambda obj: ready(obj, lastAppliedRevision="main@sha1:new")),
    )
    assert [line[2:] for line in done.errors.splitlines()] == [
        f"annotating GitRepository repo in {recorded.name} namespace",
        "GitRepository annotated",
        "waiting for GitRepository reconciliation",
        "fetched revision main@sha1:1aed40469185f9aa631cff23efea14118025a00b",
        f"annotating Kustomization ok in {recorded.name} namespace",
        "Kustomization annotated",
        "waiting for Kustomization reconciliation",
        "applied revision main@sha1:new",
    ]


async def test_an_account_that_may_not_watch_waits_too(recorded: Space) -> None:
    """With no rights but to get and patch."""
    rbac = "rbac.authorization.k8s.io"
    metadata = {"name": "script", "namespace": recorded.name}
    rule = {"apiGroups": ["kustomize.toolkit.fluxcd.io"], "resources": ["kustomizations"], "verbs": ["get", "patch"]}
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}
    binding = role | {
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "script"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": "script"}],
    }
    binding.pop("rules")
    await recorded.kube.create(role)
    await recorded.kube.create(binding)
    ref = recorded.ref("Kustomization", "ok")
    done = await together(
        recorded.cli("reconcile", "ks", "ok", "--as=script"),
        controlled(recorded, ref, requested(None), lambda obj: ready(obj, lastAppliedRevision="main@sha1:new")),
    )
    assert done.errors.splitlines()[-1] == "✔ applied revision main@sha1:new"


async def test_a_failed_pass_ends_the_wait_with_its_reason(recorded: Space) -> None:
    """⚠ CLI8."""
    ref = recorded.ref("Kustomization", "build-fails")
    done = await together(
        recorded.cli("reconcile", "ks", "build-fails"),
        controlled(recorded, ref, requested(None), lambda obj: ready(obj, "False", "no such file")),
    )
    assert (done.code, done.errors.splitlines()[-1]) == (1, "✗ Kustomization reconciliation failed: no such file")


async def test_a_release_is_forced_and_reset_with_the_same_token(recorded: Space) -> None:
    ref = recorded.ref("HelmRelease", "ok")
    done = await together(
        recorded.cli("reconcile", "hr", "ok", "--force", "--reset"), controlled(recorded, ref, requested(None), ready)
    )
    assert done.errors.splitlines()[-1] == "✔ applied revision 1.0.0"
    annotations = annotations_of(await recorded.kube.get(ref))
    assert annotations[REQUESTED_AT] == annotations[FORCE_AT] == annotations[RESET_AT]


async def test_resume_waits_for_all_at_once_and_tells_them_by_name(recorded: Space) -> None:
    refs = [recorded.ref("Kustomization", name) for name in ("ok", "build-fails")]
    await recorded.cli("suspend", "ks", "--all")
    done = await together(
        recorded.cli("resume", "ks", "ok", "build-fails", "--wait"),
        *(controlled(recorded, ref, resumed, lambda obj: ready(obj, lastAppliedRevision="r")) for ref in refs),
    )
    assert done.errors.splitlines()[-6:] == [
        "◎ waiting for Kustomization reconciliation",
        "◎ waiting for Kustomization reconciliation",
        "✔ Kustomization build-fails reconciliation completed",
        "✔ applied revision r",
        "✔ Kustomization ok reconciliation completed",
        "✔ applied revision r",
    ]


async def test_create_waits_until_ready(space: Space) -> None:
    ref = space.ref("GitRepository", "apps")
    artifact = {
        "artifact": {
            "revision": "main@sha1:abc",
            "digest": "sha256:abc",
            "path": "x",
            "url": "http://x",
            "lastUpdateTime": "2026-01-01T00:00:00Z",
        }
    }
    done = await together(
        space.cli("create", "source", "git", "apps", "--url=https://git.example.com/apps", "--branch=main"),
        controlled(space, ref, exists, lambda obj: ready(obj, **artifact)),
    )
    assert done.errors.splitlines()[-2:] == [
        "✔ GitRepository source reconciliation completed",
        "✔ fetched revision: main@sha1:abc",
    ]


async def test_create_tells_why_it_was_in_vain(space: Space) -> None:
    """⚠ CLI5, ⚠ CLI8: the bare text last, as scripts expect, and the reason before it."""
    ref = space.ref("Kustomization", "apps")
    done = await together(
        space.cli("create", "ks", "apps", "--source=apps", "--timeout=5s"),
        controlled(space, ref, exists, lambda obj: ready(obj, "False", "no such source")),
    )
    assert done.errors.splitlines()[-2:] == ["✗ Kustomization apps is not ready: no such source", "✗ context deadline exceeded"]


async def test_a_controllers_log(space: Space) -> None:
    """⚠ CLI40: lines about no object show with -A only. The pod is a real process of the virtual node."""
    labels = {"app.kubernetes.io/part-of": "flux"}
    probe = {"httpGet": {"path": "/readyz", "port": 9440}, "periodSeconds": 1}
    data = {"args": ["--storage-path=/data"], "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
    container = {"name": "manager", "image": "ghcr.io/fleetloop/source-watcher:v1", "readinessProbe": probe} | data
    spec = {"containers": [container], "volumes": [{"name": "data", "emptyDir": {}}]}
    pod = {"metadata": {"labels": {"app": "controller"}}, "spec": spec}
    ref = ObjectRef("apps/v1", "Deployment", space.name, "source-watcher")
    rbac = "rbac.authorization.k8s.io"
    await space.kube.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": space.name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": space.name}],
        }
    )
    await space.kube.create(
        {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "metadata": {"name": ref.name, "namespace": space.name, "labels": labels},
            "spec": {"selector": {"matchLabels": {"app": "controller"}}, "template": pod},
        }
    )
    await until(space.kube, ref, lambda obj: bool((obj.get("status") or {}).get("availableReplicas")), DEADLINE)
    everything = await space.cli("logs", "--flux-namespace", space.name, "-A")
    assert (everything.code, everything.errors) == (0, "")
    assert any(" info " in line and " - " in line for line in everything.output.splitlines())
    assert (await space.cli("logs", "--flux-namespace", space.name)).output == ""
