"""Controllers that are not written yet start as their Deployments start them, answer their probes, and say what they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from fleetloop.api import names
from tests.kit.cluster import Cluster
from tests.kit.controller import Controller
from tests.kit.waiting import eventually

READY: dict[str, str] = {}
UNWRITTEN = (
    names.IMAGE_AUTOMATION_CONTROLLER,
)


@asynccontextmanager
async def running(component: str, cluster: Cluster, folder: Path) -> AsyncIterator[Controller]:
    flags = ("--feature-gates=ExternalArtifact=true", "--requeue-dependency=5s", f"--storage-path={folder}")
    controller = Controller(component, cluster.kubeconfig, folder, flags)
    await controller.start()
    try:
        yield controller
    finally:
        await controller.stop()


@pytest.mark.parametrize("component", UNWRITTEN)
async def test_probes_and_log(component: str, cluster: Cluster, tmp_path: Path) -> None:
    """A team's flags for the written one are no reason to end."""
    log = tmp_path / "log"
    async with running(component, cluster, tmp_path) as controller:
        await eventually(lambda: f"{component} is not implemented in this version" in log.read_text(), 30)
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            for place in (":9440/healthz", READY.get(component, ":9440/readyz"), ":8080/metrics"):
                await http.get(f"http://{controller.address}{place}")
