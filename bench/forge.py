"""A forge with repositories, and a person who pushes to them."""

import asyncio
import base64
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.applications import NAMESPACE
from fleetloop.kube import Manifest
from fleetloop.local.child import ServerProcess
from fleetloop.local.forge import ForgeAdmin

USER = "ada"


@dataclass(frozen=True, slots=True)
class Clone:
    """Of one repository."""

    folder: Path
    url: str
    environment: Mapping[str, str]

    async def push(self, files: Mapping[str, str]) -> str:
        """Writes, commits and sends them to main; gives the commit's hash."""
        sha = await self.commit(files)
        await self.send()
        return sha

    async def commit(self, files: Mapping[str, str]) -> str:
        await asyncio.to_thread(self._write, files)
        await self.git("add", "--all")
        await self.git("commit", "--quiet", "--message", "a change")
        return await self.git("rev-parse", "HEAD")

    async def send(self) -> None:
        await self.git("push", "--quiet", self.url, "HEAD:refs/heads/main")

    async def git(self, *arguments: str) -> str:
        command = ("git", "-C", str(self.folder), *arguments)
        process = await asyncio.create_subprocess_exec(*command, env=self.environment, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"git {arguments[0]} ended with {process.returncode}")
        return output.decode().strip()

    def _write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


@dataclass(frozen=True, slots=True)
class Forge:
    folder: Path
    url: str
    ca_file: Path
    token: str
    admin: ForgeAdmin

    async def repository(self, name: str) -> Clone:
        """A new one."""
        await self.admin.create_repository(USER, name)
        clone = Clone(self.folder / f"clone-{name}", f"{self.url}/{USER}/{name}.git", self._environment())
        clone.folder.mkdir()
        await clone.git("init", "--quiet", "--initial-branch=main")
        return clone

    def secret(self, name: str) -> Manifest:
        """What opens its repositories."""
        data = {"username": USER, "password": self.token, "ca.crt": self.ca_file.read_text()}
        metadata = {"name": name, "namespace": NAMESPACE}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}

    def _environment(self) -> dict[str, str]:
        basic = base64.b64encode(f"{USER}:{self.token}".encode()).decode()
        settings = {
            "http.sslCAInfo": str(self.ca_file),
            "http.extraHeader": f"Authorization: Basic {basic}",
            "user.name": "Ada",
            "user.email": "ada@example.com",
        }
        found = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings.items()):
            found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return found


@contextlib.asynccontextmanager
async def forge_in(folder: Path) -> AsyncIterator[Forge]:
    await asyncio.to_thread(folder.mkdir)
    authority = ["--ca-cert", str(folder / "ca.crt"), "--ca-key", str(folder / "ca.key")]
    command = [sys.executable, "-m", "fleetloop.local.forge", "--dir", str(folder / "state"), *authority]
    server = ServerProcess("forge", command, folder / "forge.log")
    async with server.running():
        ready = json.loads(await server.announcement())
        async with ForgeAdmin(ready["url"], ready["adminToken"], ready["caFile"]) as admin:
            await admin.create_user(USER)
            token = await admin.create_classic_token(USER)
            yield Forge(folder, ready["url"], Path(ready["caFile"]), token, admin)
