"""The catalog of plugins, and their programs: fetched, checked against their digest, and unpacked. Writes nothing by itself."""

import hashlib
import io
import os
import platform
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetloop.cli.errors import CliError
from fleetloop.cli.goflags import quoted

if TYPE_CHECKING:
    import aiohttp

STANDARD = "https://github.com/fluxcd/plugins/releases/latest/download/"
API_VERSION = "cli.fluxcd.io/v1beta1"
LARGEST_DOCUMENT = 10 << 20  # bytes
LARGEST_PROGRAM = 512 << 20
TRIES = 3
PATIENCE = 30.0  # seconds, for a document
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


@dataclass(frozen=True, slots=True)
class Binary:
    """One version of a plugin for this machine. `digest`: sha256, in hex."""

    version: str
    url: str
    digest: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """`base`: ⚠ CLI49, addresses are made by appending to it, but a slash that is missing at its end is put there."""

    session: "aiohttp.ClientSession"
    base: str

    @classmethod
    def of(cls, session: "aiohttp.ClientSession", environment: Mapping[str, str]) -> "Catalog":
        base = environment.get("FLUXCD_PLUGIN_CATALOG") or STANDARD
        return cls(session, base if base.endswith("/") else f"{base}/")

    async def names(self) -> list[tuple[str, str]]:
        """Name and description of all. Raises CliError."""
        found = await self._document("catalog.yaml", "PluginCatalog")
        listed = found.get("plugins") or []
        return [
            (str(one["name"]), str(one.get("description") or "")) for one in listed if isinstance(one, dict) and one.get("name")
        ]

    async def plugin(self, name: str) -> dict[str, Any]:
        """Raises CliError."""
        missing = f"plugin {quoted(name)} not found in catalog"
        if not name or "/" in name or name.startswith("."):
            raise CliError(missing)
        try:
            return await self._document(f"{name}.yaml", "Plugin")
        except CliError:
            raise CliError(missing) from None

    async def program(self, name: str, binary: Binary) -> bytes:
        """Raises CliError, also for another content than the catalog promises."""
        content = await _fetched(self.session, binary.url, LARGEST_PROGRAM)
        got = hashlib.sha256(content).hexdigest()
        if got != binary.digest:
            raise CliError(f"checksum verification failed (expected: {binary.digest}, got: {got})")
        return _unpacked(content, binary.url, name)

    async def _document(self, path: str, kind: str) -> dict[str, Any]:
        from fleetloop.api.yaml import InvalidYAML, load

        content = await _fetched(self.session, self.base + path, LARGEST_DOCUMENT)
        try:
            found = load(content)
        except InvalidYAML as error:
            raise CliError(f"{self.base}{path}: {error}") from None
        if not isinstance(found, dict) or (found.get("apiVersion"), found.get("kind")) != (API_VERSION, kind):
            raise CliError(f"{self.base}{path} is no {kind} of {API_VERSION}")
        return found


def binary_of(plugin: dict[str, Any], name: str, wanted: str) -> Binary:
    """`wanted`: a version, a digest, or "" for the first version that is listed. Raises CliError."""
    versions = [one for one in plugin.get("versions") or [] if isinstance(one, dict)]
    place = f"{system()}/{architecture()}"
    if wanted.startswith("sha256:"):
        for version in versions:
            found = _for_this_machine(version)
            if found and f"sha256:{found.digest}" == wanted:
                return found
        raise CliError(f"digest {quoted(wanted)} not found for plugin {quoted(name)} on {place}")
    chosen = next((one for one in versions if not wanted or str(one.get("version")) == wanted.removeprefix("v")), None)
    if chosen is None:
        raise CliError(f"version {quoted(wanted)} not found for plugin {quoted(name)}")
    binary = _for_this_machine(chosen)
    if binary is None:
        raise CliError(f"plugin {quoted(name)} v{chosen.get('version')} has no binary for {place}")
    return binary


def system() -> str:
    return "windows" if sys.platform == "win32" else sys.platform


def architecture() -> str:
    machine = platform.machine().lower()
    return _ARCHITECTURES.get(machine, machine)


def _for_this_machine(version: dict[str, Any]) -> Binary | None:
    for one in version.get("platforms") or []:
        if (one.get("os"), one.get("arch")) == (system(), architecture()):
            digest = str(one.get("checksum") or "").removeprefix("sha256:")
            return Binary(str(version["version"]), str(one["url"]), digest)
    return None


async def _fetched(session: "aiohttp.ClientSession", url: str, limit: int) -> bytes:
    """Raises CliError."""
    import aiohttp

    problem = ""
    for _ in range(TRIES):
        try:
            async with session.get(url, timeout=aiohttp.ClientTimeout(sock_connect=PATIENCE, sock_read=PATIENCE)) as answer:
                if answer.status == 200:
                    return await _limited(answer, limit)
                problem = f"status {answer.status}"
                if answer.status < 500:
                    break
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            problem = str(error) or type(error).__name__
    raise CliError(f"failed to fetch {url}: {problem}")


async def _limited(answer: "aiohttp.ClientResponse", limit: int) -> bytes:
    content = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 18):
        content += chunk
        if len(content) > limit:
            raise CliError(f"{answer.url} is larger than {limit} bytes")
    return bytes(content)


def _unpacked(content: bytes, url: str, name: str) -> bytes:
    """The program of a zip, a tar, a .tar.gz, or what was fetched itself. Raises CliError."""
    wanted = {f"flux-{name}", name, f"flux-{name}.exe"}
    try:
        if content.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for info in archive.infolist():
                    if os.path.basename(info.filename) in wanted and info.file_size <= LARGEST_PROGRAM:
                        return archive.read(info)
                raise CliError(f"{url} holds no program flux-{name}")
        if url.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.isreg() and os.path.basename(member.name) in wanted else None
                    if file and member.size <= LARGEST_PROGRAM:
                        return file.read()
                raise CliError(f"{url} holds no program flux-{name}")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise CliError(f"{url} cannot be unpacked: {error}") from None
    return content
