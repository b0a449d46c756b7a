"""`plugin`: install, list, search, update and uninstall programs that become commands."""

import datetime
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fleetloop.cli.command import Command, argument
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import quoted
from fleetloop.cli.plugin_catalog import Catalog, architecture, binary_of, system
from fleetloop.cli.plugin_folder import MANUAL, PluginFolder
from fleetloop.cli.table import table


@dataclass(frozen=True)
class PluginList(Command):
    """List the plugins that are installed.

    Examples:
      fleetloop plugin list
    """

    checks_namespace = False

    def run(self, cx: Context) -> None:
        rows = [(one.name, one.version, str(one.path)) for one in PluginFolder.of(cx.environment).plugins()]
        cx.write(table(("name", "version", "path"), rows) if rows else "No plugins found\n")


@dataclass(frozen=True)
class PluginSearch(Command):
    """Search the catalog of plugins.

    Examples:
      fleetloop plugin search mirror
    """

    checks_namespace = False

    query: str = argument()

    async def run(self, cx: Context) -> None:
        folder = PluginFolder.of(cx.environment)
        async with _catalog(cx) as catalog:
            listed = await catalog.names()
        wanted = self.query.lower()
        rows = [
            (name, description, installed.version if (installed := folder.find(name)) else "")
            for name, description in listed
            if wanted in name.lower() or wanted in description.lower()
        ]
        if rows:
            cx.write(table(("name", "description", "installed"), rows))
        elif wanted:
            cx.print(f"No plugins matching {quoted(self.query)} found in catalog")
        else:
            cx.print("No plugins found in catalog")


@dataclass(frozen=True)
class PluginInstall(Command):
    """Install a plugin of the catalog; its digest is checked.

    Examples:
      fleetloop plugin install mirror
      fleetloop plugin install mirror@1.2.0
    """

    checks_namespace = False

    names: tuple[str, ...] = argument(many=True, usage="<name>[@<version>|@<digest>]")

    def check(self) -> None:
        if len(self.names) != 1:
            raise UsageError(f"accepts 1 arg(s), received {len(self.names)}")

    async def run(self, cx: Context) -> None:
        name, _, wanted = self.names[0].partition("@")
        async with _catalog(cx) as catalog:
            version = await _install(catalog, PluginFolder.of(cx.environment), name, wanted)
        cx.say.success(f"installed {name} v{version}")


@dataclass(frozen=True)
class PluginUninstall(Command):
    """Remove a plugin.

    Examples:
      fleetloop plugin uninstall mirror
    """

    checks_namespace = False

    names: tuple[str, ...] = argument(many=True, usage="<name>")

    def check(self) -> None:
        if len(self.names) != 1:
            raise UsageError(f"accepts 1 arg(s), received {len(self.names)}")

    def run(self, cx: Context) -> None:
        folder, name = PluginFolder.of(cx.environment), self.names[0]
        if folder.find(name) is None:
            raise CliError(f"plugin {quoted(name)} is not installed")
        folder.program(name).unlink()
        folder.receipt_path(name).unlink(missing_ok=True)
        cx.say.success(f"uninstalled {name}")


@dataclass(frozen=True)
class PluginUpdate(Command):
    """Update one plugin, or all that were installed from the catalog.

    Examples:
      fleetloop plugin update
    """

    checks_namespace = False

    name: str = argument()

    async def run(self, cx: Context) -> None:
        """What cannot be updated is a line, and no failure."""
        folder = PluginFolder.of(cx.environment)
        installed = [one for one in folder.plugins() if self.name in ("", one.name)]
        if self.name and not installed:
            raise CliError(f"plugin {quoted(self.name)} is not installed")
        if not installed:
            cx.print("No plugins found")
            return
        async with _catalog(cx) as catalog:
            for plugin in installed:
                if plugin.version == MANUAL:
                    cx.say.warning(f"skipping {plugin.name} (manually installed)")
                    continue
                try:
                    await _update(cx, catalog, folder, plugin.name, plugin.version)
                except CliError as error:
                    cx.say.failure(str(error))


@asynccontextmanager
async def _catalog(cx: Context) -> AsyncIterator[Catalog]:
    import aiohttp

    async with aiohttp.ClientSession(trust_env=True) as session:
        yield Catalog.of(session, cx.environment)


async def _update(cx: Context, catalog: Catalog, folder: PluginFolder, name: str, version: str) -> None:
    """Raises CliError."""
    try:
        newest = binary_of(await catalog.plugin(name), name, "").version
    except CliError as error:
        raise CliError(f"error checking {name}: {error}") from None
    if newest == version:
        cx.say.success(f"{name} already up to date (v{version})")
        return
    try:
        await _install(catalog, folder, name, newest)
    except CliError as error:
        raise CliError(f"error updating {name}: {error}") from None
    cx.say.success(f"updated {name} v{version} → v{newest}")


async def _install(catalog: Catalog, folder: PluginFolder, name: str, wanted: str) -> str:
    """The version. The program appears complete or not at all. Raises CliError."""
    from fleetloop.api.yaml import dump

    binary = binary_of(await catalog.plugin(name), name, wanted)
    content = await catalog.program(name, binary)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    place = {"os": system(), "arch": architecture(), "url": binary.url, "checksum": f"sha256:{binary.digest}"}
    receipt = {"name": name, "version": binary.version, "installedAt": now, "platform": place}
    folder.path.mkdir(parents=True, exist_ok=True)
    _write(folder.receipt_path(name), dump(receipt).encode(), 0o644)
    _write(folder.program(name), content, 0o755)
    return binary.version


def _write(path: Path, content: bytes, mode: int) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        file.write(content)
    os.chmod(file.name, mode)
    os.replace(file.name, path)
