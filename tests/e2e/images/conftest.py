"""Worlds of image updates, one for each run of this folder's tests."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS
from fleetloop.kube import Kube
from fleetloop.local.control_plane import ControlPlane
from fleetloop.local.programs import Programs
from fleetloop.local.state import ClusterFolder
from tests.e2e.images.automation import SOURCES, Tenant, World
from tests.kit.controller import Controller
from tests.kit.forge import running_forge


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def updates(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """On a control plane of its own: its controllers see every namespace, those of another run too."""
    folder = tmp_path_factory.mktemp("updates")
    home = ClusterFolder(folder / "cluster")
    plane = ControlPlane(home, Programs())
    async with plane.running(), running_forge(folder / "forge") as forge, Kube(plane.keys.connection) as kube:
        await forge.admin.create_user("ada")
        await forge.admin.create_org("acme", owners=["ada"])
        token = await forge.admin.create_token("ada", {"contents": "write", "pull_requests": "write"}, "acme")
        for kind in KINDS:
            if kind.group.startswith("image.") or kind.kind == "GitRepository":
                await kube.apply(crd_of(kind))
        controller = Controller("image-automation-controller", home.kubeconfig, folder / "controller")
        await controller.start()
        try:
            yield World(kube, forge, controller, token, folder)
        finally:
            await controller.stop()


@pytest.fixture(scope="package")
def numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest_asyncio.fixture(loop_scope="package")
async def tenant(updates: World, numbers: Iterator[int]) -> Tenant:
    made = Tenant(updates, f"updated-{next(numbers)}")
    await updates.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.name}})
    await updates.forge.admin.create_repository("acme", made.name)
    ca = updates.forge.ca_file.read_bytes()
    await made.secret("git", {"username": "x-access-token", "password": updates.token, "ca.crt": ca})
    spec = {"interval": "1h", "url": made.url, "secretRef": {"name": "git"}, "ref": {"branch": "main"}}
    await made.apply(SOURCES, "GitRepository", "app", spec=spec)
    return made
