"""A world of image updates: an API server, a forge and image-automation-controller; a tenant has a namespace and a repository."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from fleetloop.kube import Kube, Manifest, ObjectRef
from tests.kit.controller import Controller
from tests.kit.forge import LocalForge

IMAGES, SOURCES = "image.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1"
DEADLINE = 120.0  # seconds: on a busy machine a pass takes its time, and one that lost a race pauses
AUTHOR = {"name": "bot", "email": "bot@example.com"}


@dataclass(frozen=True)
class World:
    kube: Kube
    forge: LocalForge
    controller: Controller
    token: str
    folder: Path

    @asynccontextmanager
    async def controller_with(self, *flags: str) -> AsyncIterator[None]:
        """For a while."""
        controller, usual = self.controller, self.controller.flags
        await controller.stop()
        controller.flags = flags
        await controller.start()
        try:
            yield
        finally:
            await controller.stop()
            controller.flags = usual
            await controller.start()


@dataclass(frozen=True)
class Tenant:
    """A namespace, and a repository of the forge of that name, with GitRepository `app` and the Secret `git` that opens it."""

    world: World
    name: str

    @property
    def url(self) -> str:
        return self.world.forge.clone_url("acme", self.name)

    def http(self) -> aiohttp.ClientSession:
        """That trusts the forge."""
        context = ssl.create_default_context(cafile=str(self.world.forge.ca_file))
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))

    async def push(self, files: dict[str, str], branch: str = "main") -> str:
        folder = self.world.folder / f"work-{self.name}-{branch}"
        if folder.exists():
            await self.git("pull", "--quiet", "--rebase", "origin", branch, cwd=folder)
        return await self.world.forge.push_files("acme", self.name, files, token=self.world.token, folder=folder, branch=branch)

    async def git(self, *arguments: str, cwd: Path) -> str:
        return await self.world.forge.git(*arguments, cwd=cwd, token=self.world.token)

    async def fetched(self, branch: str = "main") -> Path:
        """A fresh clone."""
        folder = self.world.folder / f"clone-{self.name}-{len(list(self.world.folder.iterdir()))}"
        folder.mkdir()
        await self.git("-c", "core.autocrlf=false", "clone", "--quiet", "--branch", branch, self.url, ".", cwd=folder)
        return folder

    async def content(self, file: str, branch: str = "main") -> bytes:
        return (await self.fetched(branch) / file).read_bytes()

    async def log(self, branch: str = "main", form: str = "%B") -> list[str]:
        """Newest first."""
        text = await self.git("log", f"--format={form}%x00", cwd=await self.fetched(branch))
        return [entry.strip("\n") for entry in text.split("\0") if entry.strip("\n")]

    async def apply(self, api: str, kind: str, name: str, **fields: Any) -> ObjectRef:
        metadata = {"name": name, "namespace": self.name} | fields.pop("metadata", {})
        manifest = {"apiVersion": api, "kind": kind, "metadata": metadata} | fields
        await self.world.kube.managing_as("user").apply(manifest)
        return ObjectRef(api, kind, self.name, name)

    async def secret(self, name: str, data: Mapping[str, str | bytes]) -> None:
        raw = {key: value if isinstance(value, bytes) else value.encode() for key, value in data.items()}
        await self.apply("v1", "Secret", name, data={key: base64.b64encode(value).decode() for key, value in raw.items()})

    async def policy(self, name: str, image: str, digest: str = "", **metadata: Any) -> ObjectRef:
        """That has selected `image`, a name and a tag."""
        spec = {"imageRepositoryRef": {"name": name}, "policy": {"semver": {"range": "*"}}}
        ref = await self.apply(IMAGES, "ImagePolicy", name, spec=spec, metadata=metadata)
        await self.select(ref, image, digest)
        return ref

    async def select(self, policy: ObjectRef, image: str, digest: str = "") -> None:
        repository, _, tag = image.rpartition(":")
        latest = {"name": repository, "tag": tag} | ({"digest": digest} if digest else {})
        await self.world.kube.patch(policy, {"status": {"latestRef": latest}}, subresource="status")

    async def automation(self, name: str = "update", **spec: Any) -> "Automation":
        git = {"commit": {"author": AUTHOR}} | spec.pop("git", {})
        metadata = {"annotations": spec.pop("annotations", {})}
        spec = {"interval": "1h", "sourceRef": {"kind": "GitRepository", "name": "app"}, "git": git} | spec
        ref = await self.apply(IMAGES, "ImageUpdateAutomation", name, spec=spec, metadata=metadata)
        return Automation(self.world.kube, ref)

    async def until_event(self, wanted: Callable[[Manifest], bool]) -> Manifest:
        async with asyncio.timeout(DEADLINE):
            async for event in self.world.kube.watch("v1", "Event", self.name):
                if event.type in {"ADDED", "MODIFIED"} and wanted(event.object):
                    return event.object
        raise AssertionError("the watch ended")


@dataclass(frozen=True)
class Automation:
    kube: Kube
    ref: ObjectRef

    async def until(self, wanted: Callable[[Manifest], bool]) -> Manifest:
        last: Manifest = {}
        try:
            async with asyncio.timeout(DEADLINE):
                selector = f"metadata.name={self.ref.name}"
                async for event in self.kube.watch(IMAGES, self.ref.kind, self.ref.namespace, field_selector=selector):
                    last = event.object
                    if event.type in {"ADDED", "MODIFIED"} and wanted(last):
                        return last
        except TimeoutError:
            pass
        raise AssertionError(f"not reached; last seen: {last.get('status')}")

    async def requested(self, token: str) -> Manifest:
        """Asks for a pass and gives the object after it."""
        await self.kube.patch(self.ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}})
        return await self.until(lambda obj: obj["status"].get("lastHandledReconcileAt") == token)


def pushed_to(branch: str) -> Callable[[Manifest], bool]:
    return lambda event: f"to branch '{branch}'" in event.get("message", "") and event["reason"] == "Succeeded"
