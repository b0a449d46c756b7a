"""A tenant that attacks with all it has, while others commit: they go on, and each attack ends with a condition that says why.

Prints latencies and peak memory (`pytest -s`); no time is asserted but the deadline.
"""

import asyncio
import gzip
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bench.usage import Peak, watched

from fleetloop.kube import ObjectRef
from tests.e2e.inputs import bombs
from tests.e2e.inputs.conftest import Tenant, World
from tests.kit.conditions import condition
from tests.kit.workloads import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

BEFORE = 5  # commits of each innocent while nothing else happens
DURING = 10  # at least, while the attack lasts
PATIENCE = 120.0  # seconds for one commit to arrive
ATTACK = 600.0  # seconds for all attacks to end


@dataclass
class Innocent:
    """Commits, and waits until the commit is in the cluster."""

    tenant: Tenant
    commits: int = 0

    async def prepare(self) -> None:
        ref = await self.tenant.repository()
        await self.tenant.push({"cm.yaml": bombs.CONFIG_MAP.format(name="app", value=0)})
        await self.tenant.kube.patch(ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "begin"}}})
        source = {"kind": "GitRepository", "name": "git"}
        await self.tenant.ready(await self.tenant.kustomization(sourceRef=source), PATIENCE)

    async def commit(self) -> float:
        """Seconds from the request, after the push, to the object in the cluster."""
        tenant, self.commits = self.tenant, self.commits + 1
        await tenant.push({"cm.yaml": bombs.CONFIG_MAP.format(name="app", value=self.commits)})
        started = time.monotonic()
        git = ObjectRef("source.toolkit.fluxcd.io/v1", "GitRepository", tenant.name, "git")
        await tenant.kube.patch(git, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": str(self.commits)}}})
        config_map, wanted = ObjectRef("v1", "ConfigMap", tenant.name, "app"), str(self.commits)
        await until(tenant.kube, config_map, lambda live: live["data"]["a"] == wanted, PATIENCE)
        return time.monotonic() - started


BUILDS: Mapping[str, Mapping[str, str] | bytes] = {
    "doubling-bases": bombs.doubling_bases(),
    "endless-chain": bombs.endless_chain(),
    "cycle": bombs.cycle(),
    "large-generators": bombs.large_generators(),
    "components": bombs.components(),
    "yaml-aliases": bombs.yaml_aliases(),
    "objects-of-50-mb": bombs.many_objects(),
    "endless-substitution": bombs.endless_substitution(),
    "expanding-archive": bombs.expanding_archive(),
    "deep": {"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: " + "[" * 100_000 + "]" * 100_000},
    "many-files": {f"d{n // 1000}/f{n}.txt": "x" for n in range(100_000)},
}
REPOSITORIES = {"many-files": 0, "one-gib": 1 << 30}  # bytes of the one file
LOOPS = "true"
for _letter in "abcdefghij":
    LOOPS = f"[1,2,3,4,5,6,7,8,9,0].all({_letter}, {LOOPS})"


async def attack(tenant: Tenant) -> dict[str, ObjectRef]:
    """Starts everything at once; the tenant asks for every failed one again after a minute."""
    often = {"interval": "1h", "retryInterval": "60s", "timeout": "15s"}
    await tenant.secret("long", a="x" * 1_000_000)
    refs: dict[str, ObjectRef] = {}
    for name, files in BUILDS.items():
        await tenant.publish(files, source=name)
        spec: dict[str, Any] = {"sourceRef": {"kind": "ExternalArtifact", "name": name}}
        if name == "endless-substitution":
            spec |= {"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "long"}]}}
        refs[name] = await tenant.kustomization(name, **often, **spec)
    depends = [{"name": "cycle", "readyExpr": LOOPS}]
    source = {"kind": "ExternalArtifact", "name": "cycle"}
    refs["cel"] = await tenant.kustomization("cel", **often, dependsOn=depends, sourceRef=source)
    return refs | {f"git-{name}": ref for name, ref in (await attack_with_git(tenant)).items()}


async def attack_with_git(tenant: Tenant) -> dict[str, ObjectRef]:
    refs = {}
    for name, branch in (("many-files", "main"), ("one-gib", "main"), ("one-gib", "thrice")):
        url = tenant.world.forge.clone_url("acme", f"hostile-{name}")
        spec = {"secretRef": {"name": "git"}, "ref": {"branch": branch}, "timeout": "50s"}
        refs[f"{name}-{branch}"] = await tenant.git_repository(url, f"{name}-{branch}", **spec)
    return refs


async def push_hostile_repositories(world: World, folder: Path) -> None:
    for name, size in REPOSITORIES.items():
        work, script = folder / name, folder / f"{name}.import"
        work.mkdir()
        await world.forge.git("init", "--quiet", "-b", "main", cwd=work)
        if size:
            await asyncio.to_thread(bombs.large_file_import, script, size)
        else:
            script.write_bytes(bombs.many_files_import())
        with script.open("rb") as source:
            importing = await asyncio.create_subprocess_exec(
                "git", "-c", "core.compression=1", "fast-import", "--quiet", cwd=work, stdin=source
            )
            assert await importing.wait() == 0
        await world.forge.admin.create_repository("acme", f"hostile-{name}")
        url = world.forge.clone_url("acme", f"hostile-{name}")
        await world.forge.git("push", "--quiet", "--all", url, cwd=work, token=world.token)


def quantiles(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    last = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return f"{len(seconds)} commits, p50 {statistics.median(seconds):.2f} s, p99 {last:.2f} s, longest {ordered[-1]:.2f} s"


async def test_others_go_on_while_one_tenant_attacks(world: World, tmp_path: Path) -> None:
    """GHSA-p2g7-xwvr-rrw3, CVE-2022-24878, GO-2024-2667, GO-2023-2050, GO-2022-0495, GO-2024-2792: one tenant fails alone."""
    innocents = [Innocent(await world.tenant("innocent")) for _ in range(3)]
    await asyncio.gather(*(innocent.prepare() for innocent in innocents))
    hostile = await world.tenant("hostile")
    await push_hostile_repositories(world, tmp_path)
    await hostile.secret("git", username="x-access-token", password=world.token, ca__crt=world.forge.ca_file.read_text())
    before = [seconds for _ in range(BEFORE) for seconds in [await innocent.commit() for innocent in innocents]]
    assert world.kustomize.process and world.source.process
    async with watched(world.kustomize.process.pid) as kustomize, watched(world.source.process.pid) as source:
        refs = await attack(hostile)
        ends: dict[str, str] = {}
        during: list[float] = []
        async with asyncio.TaskGroup() as group:
            watches = [group.create_task(_ended(hostile, name, ref, ends)) for name, ref in refs.items()]
            for innocent in innocents:
                group.create_task(_commit_until(innocent, watches, during))
    print(f"\nbefore: {quantiles(before)}\nduring: {quantiles(during)}")
    print(f"kustomize-controller {shown(kustomize)}\nsource-controller {shown(source)}")
    print("\n".join(f"{name}: {end}" for name, end in sorted(ends.items())))
    await _call_off(hostile, refs)
    assert sorted(refs.keys() - ends.keys()) == []  # each came to its end
    assert "Traceback" not in world.logs() and "pass ended by a bug" not in world.logs()


async def _ended(tenant: Tenant, name: str, ref: ObjectRef, ends: dict[str, str]) -> None:
    started = time.monotonic()
    try:
        live = await until(tenant.kube, ref, lambda live: condition(live, "Ready").get("status") in {"True", "False"}, ATTACK)
    except TimeoutError:
        return
    found = condition(live, "Ready")
    ends[name] = f"after {time.monotonic() - started:.0f} s {found['reason']}: {found['message'][:200]!r}"


async def _commit_until(innocent: Innocent, watches: list["asyncio.Task[None]"], during: list[float]) -> None:
    for _ in range(DURING):
        during.append(await innocent.commit())
    while not all(watch.done() for watch in watches):
        during.append(await innocent.commit())


async def _call_off(tenant: Tenant, refs: Mapping[str, ObjectRef]) -> None:
    """What would go on for ever is in the way of the tests that follow."""
    for ref in refs.values():
        await tenant.kube.patch(ref, {"spec": {"suspend": True}})


def shown(peak: Peak) -> str:
    return f"peak {peak.total >> 20} MiB, itself {peak.own >> 20}, children {peak.children >> 20}"


async def test_the_bombs_are_what_they_say() -> None:
    archive = bombs.expanding_archive(files=1, block=1 << 16, blocks=2)
    assert len(gzip.decompress(archive)) == 512 + (1 << 17) + 1024
