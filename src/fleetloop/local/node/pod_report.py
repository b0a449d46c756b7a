"""Tells the API server how one pod is. Keeps nothing but what it told last."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from fleetloop.kube import ApiError, Conflict, Manifest, NotFound, Unreachable, ref_of
from fleetloop.local.node.context import NodeContext
from fleetloop.local.node.pod_status import ContainerStatus, Place, status_of

RETRY_PAUSE = 0.5


class PodReport:
    """Writes statuses of one pod, in order, until the API server has them; a pod that is gone needs none."""

    def __init__(self, node: NodeContext, pod: Manifest, pod_ip: str) -> None:
        self._node = node
        self._pod = pod
        self._place = Place(node.address, pod_ip)
        self._lock = asyncio.Lock()
        self._told: dict[str, Any] = {}

    async def tell(self, containers: Sequence[ContainerStatus]) -> None:
        async with self._lock:
            before = {**self._pod, "status": (self._pod.get("status") or {}) | self._told}
            status = status_of(before, containers, self._place, self._node.now())
            if status != self._told:
                await patch_status(self._node, self._pod, status)
                self._told = status


async def patch_status(node: NodeContext, pod: Manifest, status: dict[str, Any]) -> None:
    """Tries until the server answers. Only this very pod is meant, not a later one of its name."""
    body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
    while True:
        try:
            await node.kube.patch(ref_of(pod), body, subresource="status")
            return
        except (NotFound, Conflict):  # gone, or another pod of this name
            return
        except (ApiError, Unreachable) as error:
            if isinstance(error, ApiError) and error.status < 500:
                structlog.get_logger().error("pod status refused", pod=str(ref_of(pod)), error=error.message)
                return
            await asyncio.sleep(RETRY_PAUSE)
