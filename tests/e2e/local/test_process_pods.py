"""Pods of our own controllers really run: a small program stands for the controllers, everything else is real."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from fleetloop.kube import Kube, Manifest, ObjectRef, from_kubeconfig
from fleetloop.local.cluster import ClusterSettings, EmbeddedCluster
from fleetloop.local.state import StateFolder
from tests.kit import fake_component
from tests.kit.cluster import new_namespace
from tests.kit.processes import is_running
from tests.kit.waiting import eventually
from tests.kit.workloads import deployment, is_available, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECONDS = 60.0
IMAGE = "registry.example.com:5000/team/source-controller:v1"
PORTS = [{"name": "healthz", "containerPort": fake_component.PORT}]
READY = {"httpGet": {"path": "/readyz", "port": "healthz"}, "periodSeconds": 1, "failureThreshold": 1}


def fake_command(component: str, arguments: Sequence[str]) -> Sequence[str]:
    return [sys.executable, fake_component.__file__, component, *arguments]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedCluster]:
    folder = StateFolder(tmp_path_factory.mktemp("local")).cluster("pods")
    cluster = EmbeddedCluster(folder, ClusterSettings(api_server_flags=("--unsafe-no-fsync",), command=fake_command))
    async with cluster.running():
        yield cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kube(embedded: EmbeddedCluster) -> AsyncIterator[Kube]:
    async with Kube(from_kubeconfig([embedded.folder.kubeconfig])) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def namespace(kube: Kube) -> AsyncIterator[str]:
    async with new_namespace(kube, "pods") as name:
        yield name


def controller(namespace: str, *flags: str, **container: Any) -> Manifest:
    return deployment("web", namespace, image=IMAGE, ports=PORTS, **({"args": list(flags)} | container))


async def started(kube: Kube, namespace: str, wish: Manifest) -> Manifest:
    """The pod of a Deployment that became available."""
    await kube.create(wish)
    await until(kube, ObjectRef("apps/v1", "Deployment", namespace, "web"), is_available, SECONDS)
    (pod,) = await kube.list("v1", "Pod", namespace)
    return pod


async def until_pod(kube: Kube, namespace: str, holds: Callable[[Manifest], bool]) -> Manifest:
    async with asyncio.timeout(SECONDS):
        async for event in kube.watch("v1", "Pod", namespace):
            if event.type in {"ADDED", "MODIFIED"} and holds(event.object):
                return event.object
    raise AssertionError("the watch ended")


def container_of(pod: Manifest) -> dict[str, Any]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    return dict(statuses[0])


def log_path(pod: Manifest) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/log"


async def log(kube: Kube, pod: Manifest, **params: str) -> str:
    status, body = await kube.raw("GET", log_path(pod), params=params)
    assert status == 200, body
    return body.decode()


async def told(kube: Kube, pod: Manifest) -> dict[str, Any]:
    """What the program printed about itself: the log's first line, once it is there."""
    async with kube.stream(log_path(pod), params={"follow": "true"}) as lines, asyncio.timeout(SECONDS):
        async for line in lines:
            return dict(json.loads(line))
    raise AssertionError("the log ended")


def process_of(embedded: EmbeddedCluster, pod: Manifest) -> int:
    (found,) = [one for one in embedded.status()["pods"] if one["name"] == pod["metadata"]["name"]]
    return int(found["pid"])


async def test_arguments_variables_and_token(kube: Kube, namespace: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}}
    await kube.create(secret | {"stringData": {"password": "geheim"}})
    env = [
        {"name": "RUNTIME_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "GOMEMLIMIT", "valueFrom": {"resourceFieldRef": {"containerName": "manager", "resource": "limits.memory"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
        {"name": "TUF_ROOT", "value": "/tmp/.sigstore"},
    ]
    wish = controller(
        namespace,
        "--events-addr=http://notification-controller.$(RUNTIME_NAMESPACE).svc.cluster.local./",
        "--storage-path=/data",
        env=env,
        resources={"limits": {"memory": "1Gi"}},
        volumeMounts=[{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
    )
    wish["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    pod = await started(kube, namespace, wish)

    found = await told(kube, pod)
    component, events, storage = found["arguments"]
    variables = found["variables"]
    assert component == "source-controller"
    assert events == f"--events-addr=http://notification-controller.{namespace}.svc.cluster.local./"
    data = Path(storage.removeprefix("--storage-path="))
    assert data.is_dir()
    assert data.name == "data"
    assert variables["GOMEMLIMIT"] == str(1 << 30)
    assert variables["PASSWORD"] == "geheim"
    assert variables["TUF_ROOT"] == f"{variables['TMPDIR']}/.sigstore"
    assert Path(variables["TMPDIR"]).is_dir()
    assert variables["POD_IP"] == variables["FLEETLOOP_BIND_ADDRESS"] == pod["status"]["podIP"]
    assert found["account"]["namespace"] == namespace
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": found["account"]["token"]}}
    status, body = await kube.raw("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert status == 201
    assert json.loads(body)["status"]["user"]["username"] == f"system:serviceaccount:{namespace}:default"


async def test_files_of_secrets_and_config_maps(kube: Kube, namespace: str) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": namespace}}
    wish = controller(namespace, "--config=/etc/c/a/b.yaml", volumeMounts=[{"name": "c", "mountPath": "/etc/c"}])
    volume = {"name": "c", "configMap": {"name": "c", "items": [{"key": "k", "path": "a/b.yaml"}]}}
    wish["spec"]["template"]["spec"]["volumes"] = [volume]
    await kube.create(wish)
    waits = await until_pod(kube, namespace, lambda p: "not found" in str(container_of(p).get("state")))
    assert container_of(waits)["state"]["waiting"]["message"] == 'configmap "c" not found'

    await kube.create(config | {"data": {"k": "x: 1"}})
    pod = await until_pod(kube, namespace, lambda p: bool(container_of(p).get("ready")))
    flag = (await told(kube, pod))["arguments"][1]
    assert Path(flag.removeprefix("--config=")).read_text() == "x: 1"


async def test_a_crash_is_followed_by_a_start_with_growing_pauses(kube: Kube, namespace: str) -> None:
    await kube.create(controller(namespace, "--crash"))

    def is_third(pod: Manifest) -> bool:
        return container_of(pod).get("restartCount", 0) >= 2 and "waiting" in container_of(pod)["state"]

    pod = await until_pod(kube, namespace, is_third)
    container = container_of(pod)
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["state"]["waiting"]["message"].startswith("back-off 4s")
    assert container["lastState"]["terminated"]["exitCode"] == 3
    assert pod["status"]["phase"] == "Running"
    assert "crashing" in await log(kube, pod)
    assert "crashing" in await log(kube, pod, previous="true")


async def test_a_failed_liveness_probe_restarts_the_container(kube: Kube, namespace: str) -> None:
    probe = {"httpGet": {"path": "/healthz", "port": "healthz"}, "periodSeconds": 1, "failureThreshold": 2}
    await kube.create(controller(namespace, "--sick", livenessProbe=probe))
    pod = await until_pod(kube, namespace, lambda p: container_of(p).get("restartCount", 0) >= 1)
    assert container_of(pod)["lastState"]["terminated"]["message"] == "liveness probe failed"


async def test_readiness_is_asked_and_the_service_map_follows(embedded: EmbeddedCluster, kube: Kube, namespace: str) -> None:
    ports = [{"port": 80, "targetPort": "healthz"}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace}}
    await kube.create(service | {"spec": {"selector": {"app": "web"}, "ports": ports}})
    pod = await started(kube, namespace, controller(namespace, readinessProbe=READY))
    address = f"{pod['status']['podIP']}:{fake_component.PORT}"
    await until_mapped(embedded, f"web.{namespace}", address)
    async with aiohttp.ClientSession() as session:
        await session.get(f"http://{address}/sick")
        await until_pod(kube, namespace, lambda p: container_of(p).get("ready") is False)
        await until_mapped(embedded, f"web.{namespace}", None)
        await session.get(f"http://{address}/well")
    await until_pod(kube, namespace, lambda p: bool(container_of(p).get("ready")))
    await until_mapped(embedded, f"web.{namespace}", address)


async def until_mapped(embedded: EmbeddedCluster, name: str, address: str | None) -> None:
    await eventually(lambda: json.loads(embedded.folder.service_map.read_text()).get(name) == address, SECONDS)


async def test_logs_as_kubectl_asks_for_them(kube: Kube, namespace: str) -> None:
    pod = await started(kube, namespace, controller(namespace))
    async with kube.stream(log_path(pod), params={"follow": "true"}) as lines, asyncio.timeout(SECONDS):
        async for line in lines:
            if line == b"line 3":
                break
    assert (await log(kube, pod, tailLines="1")).startswith("line ")
    assert len((await log(kube, pod, tailLines="2")).splitlines()) == 2
    stamped = (await log(kube, pod, timestamps="true")).splitlines()
    assert stamped[0].split(" ")[0].endswith("Z")
    assert "arguments" not in await log(kube, pod, sinceSeconds="1")
    assert len(await log(kube, pod, limitBytes="10")) == 10


async def test_a_deleted_pod_gets_sigterm_and_goes(embedded: EmbeddedCluster, kube: Kube, namespace: str) -> None:
    pod = await started(kube, namespace, controller(namespace, readinessProbe=READY))
    pid = process_of(embedded, pod)
    (listed,), version = await kube.list_with_version("v1", "Pod", namespace)
    async with kube.stream(log_path(pod), params={"follow": "true"}) as lines:
        await kube.delete(ObjectRef("apps/v1", "Deployment", namespace, "web"))
        async with asyncio.timeout(SECONDS):
            assert b"heard SIGTERM" in [line async for line in lines]
    await until_gone(kube, namespace, version)
    assert not is_running(pid)
    folder = embedded.folder.pods / f"{namespace}_{listed['metadata']['name']}_{listed['metadata']['uid']}"
    await eventually(lambda: not folder.exists(), SECONDS)


async def test_a_pod_that_does_not_hear_is_killed(embedded: EmbeddedCluster, kube: Kube, namespace: str) -> None:
    wish = controller(namespace, "--deaf", readinessProbe=READY)
    wish["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    pod = await started(kube, namespace, wish)
    pid = process_of(embedded, pod)
    _, version = await kube.list_with_version("v1", "Pod", namespace)
    await kube.delete(ObjectRef("apps/v1", "Deployment", namespace, "web"))
    await until_gone(kube, namespace, version)
    assert not is_running(pid)


async def test_a_claimed_volume_outlives_the_pod(kube: Kube, namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": "data", "namespace": namespace}
    await kube.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})
    wish = controller(namespace, "--storage-path=/data", volumeMounts=[{"name": "d", "mountPath": "/data"}])
    wish["spec"]["template"]["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    first = await started(kube, namespace, wish)
    flag = (await told(kube, first))["arguments"][1]
    Path(flag.removeprefix("--storage-path=")).joinpath("artifact").write_text("kept")
    await kube.delete(ObjectRef("v1", "Pod", namespace, first["metadata"]["name"]))
    uid = first["metadata"]["uid"]
    second = await until_pod(kube, namespace, lambda p: p["metadata"]["uid"] != uid and bool(container_of(p).get("ready")))
    assert (await told(kube, second))["arguments"][1] == flag
    assert Path(flag.removeprefix("--storage-path=")).joinpath("artifact").read_text() == "kept"


async def until_gone(kube: Kube, namespace: str, version: str) -> None:
    async with asyncio.timeout(SECONDS):
        async for event in kube.watch("v1", "Pod", namespace, resource_version=version):
            if event.type == "DELETED":
                return


async def test_a_killed_process_counts_as_ended_by_its_signal(embedded: EmbeddedCluster, kube: Kube, namespace: str) -> None:
    pod = await started(kube, namespace, controller(namespace, readinessProbe=READY))
    os.kill(process_of(embedded, pod), 9)
    again = await until_pod(kube, namespace, lambda p: container_of(p).get("restartCount") == 1)
    assert container_of(again)["lastState"]["terminated"]["exitCode"] == 137
