"""Fixtures that tests of several rooms share. What they give is built in `tests.kit`."""

from collections.abc import AsyncIterator

import pytest

from fleetloop.kube import Kube
from tests.kit import cluster as shared


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> shared.Cluster:
    """A real cluster, one for all tests of a run."""
    base = tmp_path_factory.getbasetemp()
    return shared.start_shared((base if worker_id == "master" else base.parent) / "cluster")


@pytest.fixture
async def kube(cluster: shared.Cluster) -> AsyncIterator[Kube]:
    """A client with an administrator's rights."""
    async with cluster.kube() as client:
        yield client


@pytest.fixture
async def namespace(cluster: shared.Cluster) -> AsyncIterator[str]:
    """A namespace of the test's own."""
    async with cluster.namespace() as name:
        yield name
