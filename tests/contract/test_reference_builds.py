"""Every overlay of the reference repositories builds, and the lock-down lands in the arguments of the generated controllers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fleetloop.engine import Engines, Family
from fleetloop.fleet import reference_folder

REFERENCE = reference_folder()
OVERLAYS = [
    ("fleet", "clusters/staging/flux-system"),
    ("fleet", "clusters/production/flux-system"),
    ("fleet", "clusters/staging"),
    ("fleet", "clusters/production"),
    ("fleet", "tenants/staging"),
    ("fleet", "tenants/production"),
    ("infra", "components/staging"),
    ("infra", "components/production"),
    ("infra", "settings/staging"),
    ("infra", "settings/production"),
    ("apps", "staging"),
    ("apps", "production"),
]


@pytest.fixture
async def engines() -> AsyncIterator[Engines]:
    async with Engines() as running:
        yield running


async def build(engines: Engines, repository: Path, path: str) -> list[dict[str, Any]]:
    result = await engines.call(Family.BUILD, "kustomize.build", 30, root=str(repository), path=path)
    return list(result["objects"])


def names_of(objects: list[dict[str, Any]]) -> set[str]:
    return {f"{o['kind']}/{o['metadata'].get('namespace', '')}/{o['metadata']['name']}" for o in objects}


@pytest.mark.parametrize("repository, path", OVERLAYS, ids="/".join)
async def test_overlay_builds(engines: Engines, repository: str, path: str) -> None:
    objects = await build(engines, REFERENCE / repository, path)
    assert bool(objects) != path.endswith("/flux-system")  # which bootstrap fills
    assert len(names_of(objects)) == len(objects)


@pytest.mark.parametrize("environment", ["staging", "production"])
async def test_everything_of_apps_is_in_its_namespace(engines: Engines, environment: str) -> None:
    objects = await build(engines, REFERENCE / "apps", environment)
    assert {o["metadata"]["namespace"] for o in objects} == {"apps"}
