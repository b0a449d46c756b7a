"""The size of the tests of this folder, from the environment: FLEETLOOP_FAULTS=full, FLEETLOOP_FAULTS_SEED=number."""

import os

import pytest

from tests.e2e.faults.size import Size, size_of


@pytest.fixture(scope="session")
def size() -> Size:
    return size_of(os.environ.get("FLEETLOOP_FAULTS", ""), int(os.environ.get("FLEETLOOP_FAULTS_SEED", "5")))
