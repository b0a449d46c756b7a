"""kill -9 after each step, then the same command again: it completes, and nothing is there twice."""

import pytest

from fleetloop import __version__
from fleetloop.kube import ObjectRef
from tests.e2e.bootstrap.place import SMALL, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Every line after which something has changed, and those in the midst of a change.
STEPS = [
    "created",
    "granted",
    "cloned repository",
    "committed component manifests",
    "pushing component manifests",
    "installing components",
    "installed components",
    "public key",
    "configured deploy key",
    "reconciled source secret",
    "committed sync manifests",
    "pushing sync manifests",
    "applying sync manifests",
    "reconciled sync configuration",
    "waiting for Kustomization",
]


@pytest.mark.parametrize("step", STEPS)
async def test_killed_after_a_step_the_same_command_completes(followed: Place, step: str) -> None:
    place, name = followed, followed.name()
    words = place.github(name, "--team=platform", SMALL)
    await place.killed_at(step, *words)
    done = await place.run(*words)
    assert done.code == 0, done.errors

    assert await place.subjects(name) == ["Add Flux sync manifests", f"Add Flux v{__version__} component manifests"]
    (key,) = await place.forge.admin.keys("acme", name)
    assert (await place.secret(name))["identity.pub"].decode() == key["key"] + "\n"
    assert (await place.forge.admin.repository("acme", name))["teams"] == {"platform": "maintain"}
    for api_version, kind in (("source.toolkit.fluxcd.io/v1", "GitRepository"), ("apps/v1", "Deployment")):
        found = name if kind == "GitRepository" else "kustomize-controller"
        assert await place.exists(ObjectRef(api_version, kind, name, found))
