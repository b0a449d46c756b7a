"""Plugins: programs of the user's as commands, and a catalog of them on a small server."""

import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from fleetloop.api.yaml import dump
from fleetloop.cli.plugin_catalog import architecture, system
from tests.kit.cli import Finished, run_cli

API = {"apiVersion": "cli.fluxcd.io/v1beta1"}
PROGRAM = '#!/bin/sh\necho "$0 $*"; echo "$MARK"; exit 7\n'


@dataclass
class World:
    """A folder of plugins, and a catalog at `url`, which serves `files`."""

    folder: Path
    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)

    async def cli(self, *words: str, catalog: str = "") -> Finished:
        environment = {
            "KUBECONFIG": "/dev/null",
            "FLUXCD_PLUGINS": str(self.folder),
            "FLUXCD_PLUGIN_CATALOG": catalog or f"{self.url}/catalog/",
            "MARK": "of the environment",
        }
        return await asyncio.to_thread(run_cli, words, environment)

    def put(self, name: str, text: str = PROGRAM, mode: int = 0o755) -> Path:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"flux-{name}"
        path.write_text(text)
        path.chmod(mode)
        return path

    def publish(self, *versions: str, checksum: str = "") -> None:
        """The plugin `mirror`, newest version first, in archives."""
        listed = []
        for version in versions:
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w:gz") as tar:
                content = f"#!/bin/sh\necho mirror {version}\n".encode()
                info = tarfile.TarInfo("mirror/flux-mirror")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            name = f"mirror-{version}.tar.gz"
            self.files[name] = out.getvalue()
            digest = checksum or hashlib.sha256(out.getvalue()).hexdigest()
            place = {"os": system(), "arch": architecture(), "url": f"{self.url}/{name}", "checksum": f"sha256:{digest}"}
            listed.append({"version": version, "platforms": [place]})
        self.files["catalog/mirror.yaml"] = dump(API | {"kind": "Plugin", "name": "mirror", "versions": listed}).encode()
        listing = [{"name": "mirror", "description": "Copies images"}, {"name": "other", "description": "Something"}]
        self.files["catalog/catalog.yaml"] = dump(API | {"kind": "PluginCatalog", "plugins": listing}).encode()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    found = World(tmp_path / "plugins")

    async def serve(request: web.Request) -> web.Response:
        content = found.files.get(request.match_info["path"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield found
    finally:
        await runner.cleanup()


async def test_a_program_is_a_command(world: World) -> None:
    """It takes our place: its output, environment and exit code; flags before its name come first, and none is read."""
    path = world.put("foo")
    done = await world.cli("-n", "xx", "foo", "a", "--nope", "-n", "yy")
    assert done == Finished(f"{path} -n xx a --nope -n yy\nof the environment\n", "", 7)
    help_text = (await world.cli("--help")).output
    assert "Plugin Commands:" in help_text
    assert "Runs the foo plugin" in help_text
    world.put("get")
    assert (await world.cli("get")).output.startswith("Usage: ")
    world.put("plain", mode=0o644)
    assert (await world.cli("plain")).errors.startswith('✗ unknown command "plain" for ')


async def test_install_update_uninstall(world: World) -> None:
    assert await world.cli("plugin", "list") == Finished("No plugins found\n", "", 0)
    assert await world.cli("plugin", "update") == Finished("No plugins found\n", "", 0)
    world.publish("1.1.0", "1.0.0")
    assert await world.cli("plugin", "install", "mirror@1.0.0") == Finished("", "✔ installed mirror v1.0.0\n", 0)
    assert (await world.cli("mirror")).output == "mirror 1.0.0\n"
    world.put("own")
    listed = [[cell.strip() for cell in line.split("\t")][:2] for line in (await world.cli("plugin", "ls")).output.splitlines()]
    assert listed == [["NAME", "VERSION"], ["mirror", "1.0.0"], ["own", "manual"]]
    found = (await world.cli("plugin", "search", "IMAGES")).output.splitlines()[1].split("\t")
    assert [cell.strip() for cell in found][:3] == ["mirror", "Copies images", "1.0.0"]
    none = await world.cli("plugin", "search", "zz")
    assert none == Finished('No plugins matching "zz" found in catalog\n', "", 0)
    updated = await world.cli("plugin", "update")
    assert updated == Finished("", "✔ updated mirror v1.0.0 → v1.1.0\n⚠️ skipping own (manually installed)\n", 0)
    again = await world.cli("plugin", "upgrade", "mirror")
    assert again == Finished("", "✔ mirror already up to date (v1.1.0)\n", 0)
    world.publish("1.2.0", checksum="0a" * 32)
    broken = await world.cli("plugin", "update", "mirror")
    assert (broken.code, broken.errors.partition(": ")[0]) == (0, "✗ error updating mirror")
    del world.files["catalog/mirror.yaml"]
    missing = await world.cli("plugin", "update", "mirror")
    assert missing == Finished("", '✗ error checking mirror: plugin "mirror" not found in catalog\n', 0)
    assert await world.cli("plugin", "delete", "mirror") == Finished("", "✔ uninstalled mirror\n", 0)
    assert await world.cli("plugin", "uninstall", "mirror") == Finished("", '✗ plugin "mirror" is not installed\n', 1)
    assert sorted(path.name for path in world.folder.iterdir()) == ["flux-own"]


@pytest.mark.parametrize("end", ["", "/"])
async def test_catalog_address(world: World, end: str) -> None:
    """⚠ CLI49: with Flux an address without a slash at its end leads to another file; here both are the same catalog."""
    world.publish("1.0.0")
    done = await world.cli("plugin", "install", "mirror", catalog=f"{world.url}/catalog{end}")
    assert done == Finished("", "✔ installed mirror v1.0.0\n", 0)


async def test_refusals(world: World) -> None:
    world.publish("1.0.0", checksum="0a" * 32)
    got = hashlib.sha256(world.files["mirror-1.0.0.tar.gz"]).hexdigest()
    wrong = await world.cli("plugin", "install", "mirror")
    assert wrong == Finished("", f"✗ checksum verification failed (expected: {'0a' * 32}, got: {got})\n", 1)
    assert not world.folder.exists() or not list(world.folder.iterdir())
    expected = {
        "nope": 'plugin "nope" not found in catalog',
        "mirror@2.0.0": 'version "2.0.0" not found for plugin "mirror"',
        "mirror@sha256:00": f'digest "sha256:00" not found for plugin "mirror" on {system()}/{architecture()}',
    }
    for wanted, message in expected.items():
        assert await world.cli("plugin", "install", wanted) == Finished("", f"✗ {message}\n", 1)
    assert (await world.cli("plugin", "install")).errors == "✗ accepts 1 arg(s), received 0\n"
