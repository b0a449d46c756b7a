"""The shared cluster: a real API server whose workloads become what they should."""

import asyncio
from collections.abc import Callable

from fleetloop.kube import Kube, Manifest, ObjectRef
from tests.kit.cluster import Cluster
from tests.kit.workloads import deployment, is_available, job, job_ended, until

SECONDS = 60.0


async def test_the_cluster_is_ready_and_tells_its_version(cluster: Cluster, kube: Kube) -> None:
    status, body = await kube.raw("GET", "/readyz")
    assert (status, body) == (200, b"ok")
    assert (await kube.server_version())["gitVersion"] == "v1.36.3"
    node = await kube.get(ObjectRef("v1", "Node", "", cluster.context))
    assert {c["type"]: c["status"] for c in node["status"]["conditions"]}["Ready"] == "True"
    assert cluster.local["forge"]["url"].startswith("https://127.")
    assert cluster.local["registry"]["url"].startswith("oci://127.")


async def test_a_deployment_becomes_available(kube: Kube, namespace: str) -> None:
    await kube.create(deployment("web", namespace, replicas=3))
    found = await until(kube, ObjectRef("apps/v1", "Deployment", namespace, "web"), is_available, SECONDS)
    assert found["status"]["availableReplicas"] == 3


async def test_a_pod_that_asks_for_failure_never_gets_ready(kube: Kube, namespace: str) -> None:
    await kube.create(deployment("web", namespace, annotations={"local.fleetloop.dev/fail": "true"}))
    pod = await until_pod(kube, namespace, lambda p: (p.get("status") or {}).get("phase") == "Running")
    container = pod["status"]["containerStatuses"][0]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert not is_available(await kube.get(ObjectRef("apps/v1", "Deployment", namespace, "web")))


async def test_a_job_succeeds(kube: Kube, namespace: str) -> None:
    await kube.create(job("migrate", namespace))
    done = await until(kube, ObjectRef("batch/v1", "Job", namespace, "migrate"), job_ended, SECONDS)
    assert done["status"]["succeeded"] == 1


async def test_a_job_that_asks_for_failure_fails(kube: Kube, namespace: str) -> None:
    await kube.create(job("migrate", namespace, annotations={"local.fleetloop.dev/fail": "true"}))
    done = await until(kube, ObjectRef("batch/v1", "Job", namespace, "migrate"), job_ended, SECONDS)
    assert done["status"]["failed"] == 1


async def test_a_job_that_asks_for_delay_runs_first(kube: Kube, namespace: str) -> None:
    await kube.create(job("migrate", namespace, annotations={"local.fleetloop.dev/delay": "1s"}))
    running = await until_pod(kube, namespace, lambda p: (p.get("status") or {}).get("phase") == "Running")
    assert running["status"]["containerStatuses"][0]["state"]["running"]
    done = await until(kube, ObjectRef("batch/v1", "Job", namespace, "migrate"), job_ended, SECONDS)
    assert done["status"]["succeeded"] == 1


async def test_a_deleted_pod_goes_and_is_replaced(kube: Kube, namespace: str) -> None:
    await kube.create(deployment("web", namespace))
    ref = ObjectRef("apps/v1", "Deployment", namespace, "web")
    await until(kube, ref, is_available, SECONDS)
    (first,), version = await kube.list_with_version("v1", "Pod", namespace)
    await kube.delete(ObjectRef("v1", "Pod", namespace, first["metadata"]["name"]))
    async with asyncio.timeout(SECONDS):
        async for event in kube.watch("v1", "Pod", namespace, resource_version=version):
            if event.type == "DELETED" and event.object["metadata"]["uid"] == first["metadata"]["uid"]:
                break
    await until(kube, ref, is_available, SECONDS)


async def test_a_pod_that_fits_no_node_says_so(kube: Kube, namespace: str) -> None:
    wish = deployment("web", namespace)
    wish["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/os": "plan9"}
    await kube.create(wish)
    pod = await until_pod(kube, namespace, lambda p: bool((p.get("status") or {}).get("conditions")))
    (condition,) = pod["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("PodScheduled", "False", "Unschedulable")


async def test_a_pretended_container_says_so_in_its_log(kube: Kube, namespace: str) -> None:
    await kube.create(deployment("web", namespace))
    await until(kube, ObjectRef("apps/v1", "Deployment", namespace, "web"), is_available, SECONDS)
    (pod,) = await kube.list("v1", "Pod", namespace)
    status, log = await kube.raw("GET", f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/log")
    assert status == 200
    assert b"only pretends" in log


async def test_roles_are_aggregated(kube: Kube, namespace: str) -> None:
    """Flux' view and edit roles rely on it."""
    labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    rule = {"apiGroups": [namespace], "resources": ["things"], "verbs": ["get"]}
    role: Manifest = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": namespace, "labels": labels},
        "rules": [rule],
    }
    await kube.create(role)
    view = ObjectRef("rbac.authorization.k8s.io/v1", "ClusterRole", "", "view")
    try:
        await until(kube, view, lambda found: rule in (found.get("rules") or []), SECONDS)
    finally:
        await kube.delete(ObjectRef("rbac.authorization.k8s.io/v1", "ClusterRole", "", namespace))


async def until_pod(kube: Kube, namespace: str, holds: Callable[[Manifest], bool]) -> Manifest:
    async with asyncio.timeout(SECONDS):
        async for event in kube.watch("v1", "Pod", namespace):
            if event.type != "BOOKMARK" and holds(event.object):
                return event.object
    raise AssertionError("the watch ended")


async def test_a_claim_is_bound_and_its_volume_goes_with_it(kube: Kube, namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "fast"}
    metadata = {"name": "data", "namespace": namespace}
    await kube.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    ref = ObjectRef("v1", "PersistentVolumeClaim", namespace, "data")
    bound = await until(kube, ref, lambda c: (c.get("status") or {}).get("phase") == "Bound", SECONDS)
    volume = bound["spec"]["volumeName"]
    _, version = await kube.list_with_version("v1", "PersistentVolume")
    await kube.delete(ref)
    async with asyncio.timeout(SECONDS):
        async for event in kube.watch("v1", "PersistentVolume", resource_version=version):
            if event.type == "DELETED" and event.object["metadata"]["name"] == volume:
                return


async def test_a_load_balancer_gets_an_address(kube: Kube, namespace: str) -> None:
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    metadata = {"name": "web", "namespace": namespace}
    await kube.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    ref = ObjectRef("v1", "Service", namespace, "web")
    found = await until(kube, ref, lambda s: bool((s.get("status") or {}).get("loadBalancer")), SECONDS)
    assert found["status"]["loadBalancer"]["ingress"][0]["ip"].startswith("127.")
