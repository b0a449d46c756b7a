"""The Node object and its heartbeat."""

import asyncio
import contextlib
import datetime
import os
import platform
from typing import Any

from fleetloop import __version__
from fleetloop.kube import ApiError, Kube, Manifest, ObjectRef, Unreachable
from fleetloop.local.network import KUBELET_PORT
from fleetloop.local.node.context import NodeContext
from fleetloop.local.node.placement import NodeFacts
from fleetloop.local.programs import KUBERNETES_VERSION

HEARTBEAT = 10.0
LEASE_SECONDS = 40
LEASE_NAMESPACE = "kube-node-lease"
MAX_PODS = "10000"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def facts_of_this_machine(name: str) -> NodeFacts:
    machine = ARCHITECTURES.get(platform.machine(), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return NodeFacts(
        name=name,
        labels={"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": machine},
        # Nothing is really reserved, so nothing should be refused for this machine being small.
        allocatable={"cpu": "1000", "memory": str(max(memory, 1 << 40)), "pods": MAX_PODS, "ephemeral-storage": "1Ti"},
    )


async def register(node: NodeContext) -> None:
    """Makes the node, or takes over the one that is there. Raises ApiError, Unreachable."""
    await node.kube.apply({**_named(node.facts.name), "metadata": {"name": node.facts.name, "labels": dict(node.facts.labels)}})
    ref = ObjectRef("v1", "Node", "", node.facts.name)
    await node.kube.patch(ref, {"status": _status(node)}, subresource="status")


async def keep_alive(node: NodeContext) -> None:
    """Renews the lease until cancelled; an API server that is away is asked again at the next beat."""
    while True:
        with contextlib.suppress(ApiError, Unreachable):  # the next beat comes soon enough
            await renew_lease(node.kube, node.facts.name, node.clock())
        await asyncio.sleep(HEARTBEAT)


async def renew_lease(kube: Kube, name: str, moment: datetime.datetime) -> None:
    renewed = moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease: Manifest = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": renewed},
    }
    await kube.apply(lease)


def _named(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def _status(node: NodeContext) -> dict[str, Any]:
    now = node.now()
    healthy = {"MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True"}
    return {
        "addresses": [{"type": "InternalIP", "address": node.address}, {"type": "Hostname", "address": node.facts.name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
        "capacity": dict(node.facts.allocatable),
        "allocatable": dict(node.facts.allocatable),
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": "VirtualNode",
                "message": "fleetloop's virtual node",
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            }
            for kind, status in healthy.items()
        ],
        "nodeInfo": {
            "architecture": node.facts.labels["kubernetes.io/arch"],
            "operatingSystem": "linux",
            "osImage": "none (virtual node)",
            "kernelVersion": platform.release(),
            "containerRuntimeVersion": f"fleetloop://{__version__}",
            "kubeletVersion": KUBERNETES_VERSION,
            "kubeProxyVersion": "",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }
