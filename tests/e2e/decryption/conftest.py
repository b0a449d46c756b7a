"""One cluster, every key service, and a kustomize-controller that may log in to them for ServiceAccounts."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS
from fleetloop.fleet import AgeKey, new_age_key
from fleetloop.kube import Kube, from_kubeconfig
from fleetloop.local.cluster import ClusterSettings, EmbeddedCluster
from fleetloop.local.state import ClusterFolder
from tests.e2e.kustomize.conftest import Space, World, new_space
from tests.kit.artifacts import artifact_server
from tests.kit.controller import Controller
from tests.kit.key_services import KeyServices, key_services
from tests.kit.key_services.front import Front

PASSWORD = "hunter2-hunter2"
FLAGS = (
    "--feature-gates=ObjectLevelWorkloadIdentity=true",
    "--sops-age-secret=fleet-age",
    "--sops-vault-configmap=fleet-vaults",
)


@dataclass(frozen=True)
class Place:
    """`age`: the recipient whose identity the controller has. `secrets`: texts that no log, event or condition may hold."""

    world: World
    services: KeyServices
    age: str
    secrets: list[str] = field(default_factory=lambda: [PASSWORD])

    @property
    def front(self) -> Front:
        return self.services.front


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("decryption")
    (folder / "one").mkdir()
    cluster = EmbeddedCluster(ClusterFolder(folder / "one"), ClusterSettings())
    async with cluster.running(), artifact_server() as artifacts, key_services(folder) as services:
        kubeconfig = folder / "one" / "kubeconfig"
        async with Kube(from_kubeconfig([kubeconfig]), field_manager="test") as kube:
            for kind in KINDS:
                await kube.apply(crd_of(kind))
            pair = await age_secret(kube)
            environment = services.front.environment | {"AWS_EC2_METADATA_DISABLED": "true"}
            controller = Controller("kustomize-controller", kubeconfig, folder / "controller", FLAGS, environment=environment)
            await controller.start()
            try:
                place = Place(World(kube, controller, artifacts), services, pair.recipient)
                place.secrets.append(pair.identity)
                yield place
            finally:
                await controller.stop()


async def age_secret(kube: Kube) -> AgeKey:
    """The Secret of the flag --sops-age-secret. What it holds beside age keys does not count."""
    pair = new_age_key()
    metadata = {"name": "fleet-age", "namespace": "default"}
    entries = {"fleet.agekey": pair.identity, "sops.vault-token": "unused"}
    await kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": entries})
    return pair


NUMBERS: Iterator[int] = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="package")
async def space(place: Place) -> Space:
    return await new_space(place.world, f"team-{next(NUMBERS)}")
