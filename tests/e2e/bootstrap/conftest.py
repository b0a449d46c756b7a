"""One API server and one forge for this folder; each test has a repository and a namespace of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fleetloop.kube import Kube
from fleetloop.local.control_plane import ControlPlane
from fleetloop.local.programs import Programs
from fleetloop.local.state import ClusterFolder
from tests.e2e.bootstrap.place import ALL_RIGHTS, Follower, Place
from tests.kit.forge import running_forge


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    cluster = ClusterFolder(folder / "cluster")
    control_plane = ControlPlane(cluster, Programs())
    async with (
        control_plane.running(),
        Kube(control_plane.keys.connection) as kube,
        running_forge(folder / "forge") as forge,
    ):
        await forge.admin.create_user("ada")
        await forge.admin.create_org("acme", owners=["ada"])
        await forge.admin.create_team("acme", "platform", members=["ada"])
        token = await forge.admin.create_token("ada", ALL_RIGHTS, owner="acme")
        yield Place(kube, cluster.kubeconfig, forge, folder, token)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def followed(place: Place) -> AsyncIterator[Place]:
    """The place with somebody who follows Git there."""
    async with Follower(place).following():
        yield place
