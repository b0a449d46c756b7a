"""Stands for the cluster's DNS: a file that tells where the Services of started pods answer, kept up to date.

    {"source-controller.flux-system": "127.20.3.4:9090", "webhook-receiver.flux-system:80": "127.20.3.5:9292", …}

The name alone is port 80, or the only port. `fleetloop.runtime` reads it. Pretended pods answer nowhere and are not in it.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fleetloop.kube import Manifest, labels_of
from fleetloop.local.node.components import component_of
from fleetloop.local.node.pod_status import is_ready
from fleetloop.local.node.probes import port_number
from fleetloop.local.state import write_private


class ServiceMap:
    """Hears of every change of a Service or a pod."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stale = asyncio.Event()

    def service_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        self._stale.set()

    def pod_changed(self, old: Manifest | None, new: Manifest | None) -> None:
        """Pretended pods are many, and never change the map."""
        if component_of(new or old or {}):
            self._stale.set()

    async def run(self, services: Iterable[Manifest], pods: Iterable[Manifest]) -> None:
        """Writes the file at each change of its content. The iterables are read anew each time."""
        written: dict[str, str] | None = None
        while True:
            if (wanted := entries(services, pods)) != written:
                await asyncio.to_thread(write_private, self._path, json.dumps(wanted, indent=1))
                written = wanted
            await self._stale.wait()
            self._stale.clear()


def entries(services: Iterable[Manifest], pods: Iterable[Manifest]) -> dict[str, str]:
    """Every port of every Service that a ready, started pod stands behind."""
    ready = sorted((pod for pod in pods if is_ready(pod) and component_of(pod)), key=lambda pod: str(pod["metadata"]["name"]))
    found: dict[str, str] = {}
    for service in services:
        if (pod := next((pod for pod in ready if _selects(service, pod)), None)) is not None:
            found |= _entries_of(service, pod)
    return dict(sorted(found.items()))


def _entries_of(service: Manifest, pod: Manifest) -> dict[str, str]:
    name = f"{service['metadata']['name']}.{service['metadata']['namespace']}"
    ports = service["spec"].get("ports") or []
    targets = {port["port"]: _target(port, pod) for port in ports}
    found = {f"{name}:{port}": target for port, target in targets.items()}
    if targets:
        found[name] = targets.get(80) or next(iter(targets.values()))
    return found


def _target(port: Mapping[str, Any], pod: Manifest) -> str:
    containers = [p for c in pod["spec"]["containers"] for p in c.get("ports") or []]
    return f"{pod['status']['podIP']}:{port_number(port.get('targetPort') or port['port'], containers)}"


def _selects(service: Manifest, pod: Manifest) -> bool:
    selector = service["spec"].get("selector") or {}
    same_namespace = service["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return bool(selector) and same_namespace and selector.items() <= labels_of(pod).items()
