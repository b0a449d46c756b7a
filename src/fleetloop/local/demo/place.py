"""Where the demo happens: the running forge and clusters, as `fleetloop local status -o json` tells them."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetloop.kube import Kube, from_kubeconfig
from fleetloop.local import lifecycle
from fleetloop.local.state import ClusterFolder, StateFolder

CLUSTERS = ("staging", "production")
WEBHOOKS = "webhook-receiver.flux-system"


class DemoFailed(Exception):
    """A step of the demo did not do what it shows; the message is for the person who watches."""


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` holds the state of everything; `registry` is host:port, plain HTTP; `kubeconfigs` by cluster name."""

    folder: Path
    forge_url: str
    ca_file: Path
    admin_token: str
    registry: str
    chat_url: str
    kubeconfigs: Mapping[str, Path]

    @property
    def forge_host(self) -> str:
        return self.forge_url.removeprefix("https://")

    def webhooks(self, cluster: str) -> str:
        """Where the cluster's notification-controller hears webhooks: what an Ingress would lead to. Raises DemoFailed."""
        services = json.loads(ClusterFolder(self.kubeconfigs[cluster].parent).service_map.read_text())
        if WEBHOOKS not in services:
            raise DemoFailed(f"{cluster}: nothing stands behind the Service {WEBHOOKS}")
        return f"http://{services[WEBHOOKS]}"

    @contextlib.asynccontextmanager
    async def cluster(self, name: str) -> AsyncIterator[Kube]:
        async with Kube(from_kubeconfig([self.kubeconfigs[name]]), field_manager="demo") as kube:
            yield kube


async def bring_up(folder: Path, tell: Callable[[str, str], None]) -> Place:
    """Starts the clusters on a clean state. Raises LocalError."""
    state = StateFolder(folder)
    await lifecycle.reset(state)
    return place_of(folder, await lifecycle.up(state, CLUSTERS, tell))


async def take_down(folder: Path) -> None:
    await lifecycle.down(StateFolder(folder))


def place_of(folder: Path, status: Mapping[str, Any]) -> Place:
    forge = status["forge"]
    return Place(
        folder=folder,
        forge_url=forge["url"],
        ca_file=Path(forge["caFile"]),
        admin_token=forge["adminToken"],
        registry=status["registry"]["url"].removeprefix("oci://"),
        chat_url=status["chat"]["url"],
        kubeconfigs={cluster["name"]: Path(cluster["kubeconfig"]) for cluster in status["clusters"]},
    )


async def shown(arguments: Sequence[str], *, timeout: float, environment: Mapping[str, str]) -> None:
    """Runs fleetloop as a user would, with its progress on our own stderr. Raises DemoFailed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fleetloop.cli.main"),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        env=dict(environment),
    )
    try:
        async with asyncio.timeout(timeout):
            code = await process.wait()
    except TimeoutError:
        process.terminate()
        await process.wait()
        raise DemoFailed(f"fleetloop {arguments[0]} did not end within {timeout:g}s") from None
    if code:
        raise DemoFailed(f"fleetloop {arguments[0]} failed")
