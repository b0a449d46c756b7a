"""Builds that attack the engine, without a cluster: each ends with an error in time, and builds beside it do not notice."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from fleetloop.build import BuildError, BuildRequest, build_objects
from fleetloop.engine import Engines, EngineSettings, Family
from tests.e2e.inputs import bombs
from tests.e2e.inputs.conftest import CONFIG_MAP

TIMEOUT = 4.0  # seconds a build may take here
GRACE = 1.0
SECRET = "hunter2-very-secret"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("honest")
    (folder / "a.yaml").write_text(CONFIG_MAP)
    return folder


@pytest.fixture
async def engines() -> AsyncIterator[Engines]:
    async with Engines(EngineSettings(grace=GRACE)) as running:
        yield running


def tree(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def request(owner: str, **other: object) -> BuildRequest:
    return BuildRequest(owner=owner, allow_remote_bases=False, timeout=TIMEOUT, **other)  # type: ignore[arg-type]


BOMBS = {
    "doubling bases": (bombs.doubling_bases(), "no result within"),
    "endless chain": (bombs.endless_chain(), "no result within"),
    "cycle": (bombs.cycle(), "cycle detected"),
    "large generators": (bombs.large_generators(), "no result within|memory limit"),
    "yaml aliases": (bombs.yaml_aliases(), "aliases expand"),
    "deep": ({"a.yaml": "a: " + "[" * 100_000 + "]" * 100_000}, "depth|deep|Kubernetes YAML"),
    "long": ({"a.yaml": CONFIG_MAP + "# " + "x" * (33 << 20)}, "the limit is"),
}


@pytest.mark.parametrize("case", BOMBS)
async def test_a_bomb_ends_and_others_build(engines: Engines, honest: Path, tmp_path: Path, case: str) -> None:
    """CVE-2022-24878, GHSA-p2g7-xwvr-rrw3, GO-2024-2667, GO-2023-2050, GO-2022-0495."""
    files, words = BOMBS[case]
    hostile, over, slowest = tree(tmp_path, files), asyncio.Event(), 0.0

    async def attack() -> None:
        for _ in range(2):  # the second time alone
            with pytest.raises(BuildError, match=words):
                await build_objects(hostile, request("hostile"), engines)
        over.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(attack())
        while not over.is_set():
            started = time.monotonic()
            assert len(await build_objects(honest, request("innocent"), engines)) == 1
            slowest = max(slowest, time.monotonic() - started)
            await asyncio.sleep(0)
    print(f"{case}: the slowest build beside it took {slowest:.2f} s")
    assert not engines.is_apart("innocent")


async def test_who_ends_an_engine_works_alone_from_then_on(engines: Engines, honest: Path, tmp_path: Path) -> None:
    """GHSA-p2g7-xwvr-rrw3: the common process of the others lives on when it happens again."""
    hostile = tree(tmp_path, bombs.endless_chain())
    with pytest.raises(BuildError):
        await build_objects(hostile, request("hostile"), engines)
    await asyncio.sleep(GRACE + 0.5)  # until the process that does not let go of the build is killed
    await build_objects(honest, request("innocent"), engines)
    before = engines.pid_of(Family.BUILD)
    with pytest.raises(BuildError):
        await build_objects(hostile, request("hostile"), engines)
    assert engines.is_apart("hostile") and engines.pid_of(Family.BUILD) == before
    assert len(await build_objects(honest, request("hostile"), engines)) == 1  # what is honest works as ever


REACHING = {
    "parent": "resources: ['../../../../../../../etc/hostname']",
    "by name": "resources: [/etc/hostname]",
    "generator": "configMapGenerator: [{name: a, files: [/etc/hostname]}]",
    "environment": "configMapGenerator: [{name: a, envs: [../../../../../../../../proc/self/environ]}]",
    "openapi": "openapi: {path: ../../../../../../../../etc/hostname}\nresources: [a.yaml]",
    "crds": "crds: [../../../../../../../../etc/hostname]\nresources: [a.yaml]",
    "configurations": "configurations: [/etc/hostname]\nresources: [a.yaml]",
    "transformers": "transformers: [/etc/hostname]\nresources: [a.yaml]",
    "validators": "validators: [/etc/hostname]\nresources: [a.yaml]",
    "patches": "patches: [{path: /etc/hostname}]\nresources: [a.yaml]",
    "replacements": "replacements: [{path: /etc/hostname}]\nresources: [a.yaml]",
    "components": "components: [../../../../../../etc]\nresources: [a.yaml]",
    "helm home": "helmGlobals: {configHome: /tmp, chartHome: /}\nhelmCharts: [{name: x, repo: 'https://example.com'}]",
    "helm inflator": "generators: ['{apiVersion: builtin, kind: HelmChartInflationGenerator, metadata: {name: x}, name: x}']",
    "git argument": "resources: ['https://example.com/o/r.git?ref=--upload-pack=touch%20/tmp/pwned']",
    "git command": "resources: ['ext::sh -c touch% /tmp/pwned']",
    "a password": f"resources: ['https://u:{SECRET}@example.com/o/r.git?sig={SECRET}']",
    "metadata service": "resources: ['http://169.254.169.254/latest/meta-data/x.yaml']",
}


@pytest.mark.parametrize("case", REACHING)
@pytest.mark.parametrize("remote", [False, True], ids=["locked-down", "remote-bases"])
async def test_nothing_outside_is_read_or_run(engines: Engines, tmp_path: Path, case: str, remote: bool) -> None:
    """CVE-2022-24877, CVE-2022-31036, GHSA-m3vr-7329-44ww, CVE-2026-113708, CVE-2026-113709, GHSA-v554-xwgw-hc3w."""
    if remote and case in {"a password", "metadata service"}:
        return  # this is what was asked for
    root = tree(tmp_path / "root", {"kustomization.yaml": REACHING[case] + "\n", "a.yaml": CONFIG_MAP})
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(BuildError) as refused:
        await build_objects(root, BuildRequest(allow_remote_bases=remote, timeout=20), engines)
    assert SECRET not in str(refused.value) and not Path("/tmp/pwned").exists()
    assert Path("/etc/hostname").read_text().strip() not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "${a//x/${a}}",
        "${a}" * 2000,
        "${b:=" * 100 + "x" + "}" * 100,
        "${" * 50_000,
        "${a/" + "*" * 200 + "b/}",
        "${a:0:99999999999}",
    ],
)
async def test_substitution_ends(engines: Engines, honest: Path, tmp_path: Path, text: str) -> None:
    """An endless substitution: by its result, by nesting, by a pattern; values come from Secrets and are not shown."""
    root = tree(tmp_path, {"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: '" + text + "'}\n"})
    variables = {"a": SECRET + "x" * 1_000_000}
    try:
        await build_objects(root, request("hostile", variables=variables, strict=False), engines)
    except BuildError as refused:
        assert SECRET not in str(refused) and len(str(refused)) < 200_000
    assert len(await build_objects(honest, request("innocent"), engines)) == 1
