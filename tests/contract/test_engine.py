"""The real engine processes: verbs, limits, death and return. What single verbs mean is tested in engine/ itself."""

import asyncio
import os
import signal
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetloop.engine import EngineError, EngineGone, Engines, EngineSettings, EngineTimeout, Family
from tests.kit.waiting import eventually

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"


@pytest.fixture
async def engines() -> AsyncIterator[Engines]:
    async with Engines() as running:
        yield running


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "settings.yaml").write_text(CONFIG_MAP)
    return tmp_path


async def test_many_calls_at_once(engines: Engines) -> None:
    async def highest(minor: int) -> list[str]:
        versions = ["1.0.0", f"1.{minor}.0", "2.0.0"]
        result = await engines.call(Family.BUILD, "semver.select", 30, range="1.x", versions=versions)
        matches: list[str] = result["matches"]
        return matches

    results = await asyncio.gather(*(highest(minor) for minor in range(1, 301)))
    assert results == [[f"1.{minor}.0", "1.0.0"] for minor in range(1, 301)]


async def test_refusals(engines: Engines) -> None:
    with pytest.raises(EngineError, match="semver 'a b c' parse error: "):
        await engines.call(Family.BUILD, "semver.select", 10, range="a b c", versions=[])
    with pytest.raises(EngineError, match='no verb "nope" here'):
        await engines.call(Family.BUILD, "nope", 10)
    with pytest.raises(EngineError, match="unknown field"):
        await engines.call(Family.BUILD, "yaml.parse", 10, txet="a")


async def test_death_in_the_middle_of_a_call_and_return(engines: Engines, tree: Path) -> None:
    for name in range(300):  # long enough to be killed in
        (tree / "app" / f"{name}.yaml").write_text(CONFIG_MAP.replace("settings", f"s{name}"))
    await engines.call(Family.BUILD, "yaml.parse", 10, text="a: 1")
    pid = engines.pid_of(Family.BUILD)
    assert pid is not None
    build = asyncio.ensure_future(engines.call(Family.BUILD, "kustomize.build", 60, root=str(tree), path="app"))
    await asyncio.sleep(0)  # lets the call be sent; its answer takes longer than what follows
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EngineGone, match="signal 9"):
        await build
    result = await engines.call(Family.BUILD, "kustomize.build", 60, root=str(tree), path="app")
    assert len(result["objects"]) == 301
    assert engines.pid_of(Family.BUILD) not in (pid, None)


async def test_a_timeout_frees_the_process(engines: Engines, tree: Path) -> None:
    exponential(tree, levels=20)
    with pytest.raises(EngineTimeout):
        await engines.call(Family.BUILD, "kustomize.build", 1.5, root=str(tree), path="20")
    pid = engines.pid_of(Family.BUILD)
    assert await engines.call(Family.BUILD, "yaml.parse", 30, text="a: 1") == {"documents": [{"a": 1}]}
    assert engines.pid_of(Family.BUILD) == pid  # the build saw its cancellation at the next file


async def test_memory_limit_ends_the_process_with_a_reason(tree: Path) -> None:
    (tree / "app" / "kustomization.yaml").write_text("configMapGenerator:\n- name: big\n  files: [a=b.bin]\n")
    (tree / "app" / "b.bin").write_bytes(b"\xff" * (24 << 20))
    async with Engines(EngineSettings(memory=96)) as engines:
        with pytest.raises(EngineGone, match=r"memory limit of 96 MiB passed|out of memory"):
            await engines.call(Family.BUILD, "kustomize.build", 60, root=str(tree), path="app")
        assert await engines.call(Family.BUILD, "yaml.parse", 30, text="a: 1") == {"documents": [{"a": 1}]}


async def test_an_idle_process_ends_and_comes_back(tmp_path: Path) -> None:
    async with Engines(EngineSettings(idle=0.2)) as engines:
        await engines.call(Family.BUILD, "yaml.parse", 30, text="a: 1")
        pid = engines.pid_of(Family.BUILD)
        assert pid is not None
        await eventually(lambda: engines.pid_of(Family.BUILD) is None and not _is_alive(pid), 30)
        assert await engines.call(Family.BUILD, "yaml.parse", 30, text="a: 1") == {"documents": [{"a": 1}]}


async def test_processes_end_with_their_owner(tmp_path: Path) -> None:
    async with Engines() as engines:
        await engines.call(Family.BUILD, "yaml.parse", 30, text="a: 1")
        await engines.call(Family.SOPS, "age.keygen", 30)
        pids = [engines.pid_of(Family.BUILD), engines.pid_of(Family.SOPS)]
    assert all(pid is not None and not _is_alive(pid) for pid in pids)


async def test_the_process_knows_nothing_of_ours(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPS_AGE_KEY", "AGE-SECRET-KEY-1")
    await engines.call(Family.BUILD, "yaml.parse", 30, text="a: 1")
    environment = Path(f"/proc/{engines.pid_of(Family.BUILD)}/environ").read_text().strip("\0").split("\0")
    assert sorted(environment) == ["HOME=/nonexistent", "TMPDIR=/nonexistent"]


@pytest.mark.parametrize("family", [Family.BUILD, Family.REMOTE])
async def test_remote_bases_are_refused_unless_allowed(family: Family, engines: Engines, tree: Path) -> None:
    (tree / "app" / "kustomization.yaml").write_text("resources: ['https://127.0.0.1:1/o/r.git?ref=main']\n")
    with pytest.raises(EngineError, match="remote bases are disabled"):
        await engines.call(family, "kustomize.build", 30, root=str(tree), path="app")


@pytest.mark.parametrize(
    "text, message",
    [
        ("resources: [../outside.yaml]", "is not in or below"),
        ("resources: [link.yaml]", "is not in or below"),
        ("configMapGenerator: [{name: a, files: [/etc/passwd]}]", "is not in or below"),
        ("resources: [../app]", "cycle detected"),
        ("transformers: [plugin.yaml]\nresources: [settings.yaml]", "external plugins disabled"),
        ("helmCharts: [{name: x}]", "must specify --enable-helm"),
    ],
)
async def test_what_a_tenant_may_not_do(text: str, message: str, engines: Engines, tree: Path) -> None:
    (tree / "outside.yaml").write_text(CONFIG_MAP)
    app = tree / "app"
    (app / "kustomization.yaml").write_text(text + "\n")
    (app / "link.yaml").symlink_to(tree / "outside.yaml")
    annotations = '{config.kubernetes.io/function: "exec: {path: ./x}"}'
    plugin = f"apiVersion: x/v1\nkind: X\nmetadata: {{name: x, annotations: {annotations}}}\n"
    (app / "plugin.yaml").write_text(plugin)
    with pytest.raises(EngineError, match=message):
        await engines.call(Family.BUILD, "kustomize.build", 30, root=str(app), path=".")


async def test_without_network_even_an_allowed_base_cannot_be_fetched(engines: Engines, tree: Path) -> None:
    (tree / "app" / "kustomization.yaml").write_text("resources: ['http://127.0.0.1:1/x.yaml']\n")
    with pytest.raises(EngineError, match="this engine has no network"):
        await engines.call(Family.BUILD, "kustomize.build", 30, root=str(tree), path="app", allowRemoteBases=True)


async def test_round_trip_of_an_encrypted_document(engines: Engines) -> None:
    keys = await engines.call(Family.SOPS, "age.keygen", 30)
    data = b64encode(b"kind: Secret\nstringData: {a: b}\n").decode()
    sealed = await engines.call(
        Family.SOPS, "sops.encrypt", 30, data=data, format="yaml", recipients=[keys["recipient"]], encryptedRegex="^stringData$"
    )
    opened = await engines.call(
        Family.SOPS,
        "sops.decrypt",
        30,
        data=sealed["data"],
        inputFormat="yaml",
        outputFormat="yaml",
        keys={"age": keys["identity"]},
    )
    assert opened["data"] == b64encode(b"kind: Secret\nstringData:\n    a: b\n").decode()


def exponential(tree: Path, levels: int) -> None:
    """Folder N builds folder N-1 twice."""
    (tree / "0").mkdir()
    (tree / "0" / "kustomization.yaml").write_text("resources: [cm.yaml]\n")
    (tree / "0" / "cm.yaml").write_text(CONFIG_MAP)
    for level in range(1, levels + 1):
        for half in ("a", "b"):
            folder = tree / str(level) / half
            folder.mkdir(parents=True)
            (folder / "kustomization.yaml").write_text(f"nameSuffix: {half}\nresources: [../../{level - 1}]\n")
        (tree / str(level) / "kustomization.yaml").write_text("resources: [a, b]\n")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
