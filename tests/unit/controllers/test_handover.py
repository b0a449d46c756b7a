"""Who takes over what a Kustomization no longer builds. Builds are what the test says; the rest is real."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Key, Object
from fleetloop.api.source import GitRepository
from fleetloop.build import BuildError, Built
from fleetloop.controllers.kustomize.handover import TAKES_OVER, Handover, Undecided
from fleetloop.controllers.kustomize.sources import Source
from fleetloop.kube.objects import ObjectRef
from tests.unit.controllers.test_kustomize import ARTIFACT, settings

OLD, NEW = "main@sha1:old", "main@sha1:aaa"  # NEW is the artifact's
WEB = ObjectRef("apps/v1", "Deployment", "team", "web")
WEB_MANIFEST = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "team"}}
WEB_ENTRY = {"entries": [{"id": "team_web_apps_Deployment", "v": "v1"}]}


def ks(name: str, applied: str = OLD, namespace: str = "team", inventory: Any = None, **changes: Any) -> Kustomization:
    """`changes`: `annotations`, `deleted`, `created`; others go to the spec."""
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "generation": 1, "uid": f"uid-{name}"}
    metadata["annotations"] = changes.pop("annotations", {})
    if changes.pop("deleted", False):
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status: dict[str, Any] = {"lastAppliedRevision": applied, "observedGeneration": 1, "inventory": inventory or {"entries": []}}
    if created := changes.pop("created", ""):
        metadata["creationTimestamp"] = created
    spec = {"interval": "5m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "src", "namespace": "team"}} | changes
    kind = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}
    return msgspec.convert(kind | {"metadata": metadata, "spec": spec, "status": status}, Kustomization)


class World:
    """Kustomizations, and what each name builds: objects, or an exception."""

    def __init__(self, *everybody: Kustomization, **builds: Any) -> None:
        self.everybody = list(everybody)
        self.builds = builds
        self.built: list[str] = []
        self.artifact = dict(ARTIFACT)
        self.handover = Handover(lambda: self.everybody, self, settings(), self._tree, self._build)

    def find(self, key: Key) -> Object | None:
        if key.name != "src":
            return None
        source = {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": "src", "namespace": "team"},
            "spec": {"url": "https://x.example", "interval": "1m"},
            "status": {"artifact": self.artifact},
        }
        return msgspec.convert(source, GitRepository)

    @contextlib.asynccontextmanager
    async def _tree(self, source: Source, wait: float) -> AsyncIterator[Path]:
        yield Path("/")

    async def _build(self, tree: Path, source: Source, ks: Kustomization, timeout: float) -> Built:
        self.built.append(ks.name)
        found = self.builds.get(ks.spec.path.removeprefix("./") or ks.name, [])
        if isinstance(found, Exception):
            raise found
        return Built(found, [""] * len(found))

    async def claimed(self, owner: str = "a") -> str:
        """Why `web` must not be deleted by `owner`; empty when it may."""
        me = next(found for found in self.everybody if found.name == owner)
        return (await self.handover.claims(me, [WEB])).get(WEB, "")


A = ks("a", NEW)
TAKEN = "Kustomization/team/b takes it over"


@pytest.mark.parametrize(
    ("other", "claim"),
    [
        (ks("b", NEW, inventory=WEB_ENTRY), TAKEN),
        (ks("b", NEW), ""),
        (ks("b", OLD, inventory=WEB_ENTRY), ""),  # behind, and its next build does not have it
        (ks("b", NEW, inventory=WEB_ENTRY, deleted=True), ""),
        (ks("b", NEW, inventory=WEB_ENTRY, kubeConfig={"secretRef": {"name": "x"}}), ""),  # another cluster
        (ks("b", OLD, inventory=WEB_ENTRY, sourceRef={"kind": "GitRepository", "name": "other"}), TAKEN),
        (ks("b", "", sourceRef={"kind": "GitRepository", "name": "other"}), ""),
        (ks("b", "", sourceRef={"kind": "GitRepository", "name": "other"}, annotations={TAKES_OVER: "a"}), TAKEN),
        (ks("b", OLD, sourceRef={"kind": "GitRepository", "name": "other"}, annotations={TAKES_OVER: "a"}), ""),
    ],
)
async def test_by_inventory_and_by_word(other: Kustomization, claim: str) -> None:
    assert await World(A, other).claimed() == claim


@pytest.mark.parametrize(
    "stranger",
    [
        ks("b", NEW, "tenant", WEB_ENTRY),
        ks("b", OLD, "tenant", WEB_ENTRY, sourceRef={"kind": "GitRepository", "name": "own"}),
        ks("b", "", "tenant", annotations={TAKES_OVER: "a"}),
        ks("b", OLD, "tenant"),
    ],
)
async def test_strangers_have_no_say(stranger: Kustomization) -> None:
    """Of another namespace, and locked down: what was revoked goes, whatever a tenant's annotation, status or build says."""
    world = World(A, stranger, b=[WEB_MANIFEST])
    world.handover = Handover(lambda: world.everybody, world, settings("--no-cross-namespace-refs"), world._tree, world._build)
    assert await world.claimed() == ""
    assert await world.handover.heirs(A, [WEB]) == {}


async def test_without_the_lock_down_objects_move_between_namespaces_of_one_source() -> None:
    taken = "Kustomization/other/b takes it over"
    assert await World(A, ks("b", NEW, "other", WEB_ENTRY)).claimed() == taken
    assert await World(A, ks("b", OLD, "other"), b=[WEB_MANIFEST]).claimed() == taken
    assert await World(A, ks("b", "", "other", annotations={TAKES_OVER: "a"})).claimed() == ""


async def test_one_that_is_behind_is_built_once() -> None:
    world = World(A, ks("b"), ks("c"), b=[WEB_MANIFEST])
    assert await world.claimed() == TAKEN
    assert await world.claimed() == TAKEN
    assert world.built == ["b"]
    assert world.handover.waiting_for(world.everybody[1].key) == [A.key]
    world.builds["b"] = []
    world.everybody[1] = ks("b", NEW)
    assert await world.claimed() == ""
    assert world.handover.waiting_for(world.everybody[1].key) == []


async def test_one_that_is_only_planned_is_built_too_and_a_changed_one_again() -> None:
    planned = msgspec.to_builtins(ks("b", path="./next"))
    del planned["metadata"]["uid"], planned["status"]
    world = World(A, ks("parent"), parent=[planned], next=[WEB_MANIFEST])
    assert await world.claimed() == TAKEN
    itself = planned | {"metadata": planned["metadata"] | {"name": "a"}}
    world = World(A, ks("parent"), parent=[itself], next=[WEB_MANIFEST])
    assert await world.claimed() == "Kustomization/team/a takes it over", "its parent is about to change it"


@pytest.mark.parametrize("created", [False, True])
async def test_one_that_cannot_be_built_holds_up_for_a_while(created: bool) -> None:
    """After the commit arrived, or it was created itself."""
    now = datetime.datetime.now(datetime.UTC)
    broken = BuildError("kustomize build failed: x")
    words = "Kustomization/team/b may take it over and cannot be built: kustomize build failed: x"
    for minutes, claim in ((1, words), (60, "")):
        then = (now - datetime.timedelta(minutes=minutes)).isoformat()
        world = World(A, ks("b", **({"created": then} if created else {})), b=broken)
        if not created:
            world.artifact |= {"lastUpdateTime": then}
        assert await world.claimed() == claim
        if claim:
            with pytest.raises(Undecided, match="cannot be built"):
                await world.handover.heirs(A, [WEB])
            world.everybody.append(ks("c", NEW, inventory=WEB_ENTRY))
            assert await world.claimed() == "Kustomization/team/c takes it over", "then the broken one does not matter"


async def test_children_that_are_pruned_themselves_claim_nothing() -> None:
    world = World(A, ks("b"), b=BuildError("its folder is gone"))
    child = ObjectRef("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "team", "b")
    assert await world.handover.claims(A, [child]) == {}


async def test_a_thousand_others_hold_up_nobody_else() -> None:
    world = World(A, *(ks(f"k{n}") for n in range(1000)))
    await world.claimed()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(others())
    await world.claimed()
    task.cancel()
    assert turns > 10
    assert len(world.built) == 1000
