"""A cluster and a forge to bootstrap, the command line as a child process, and somebody who does what controllers do."""

import asyncio
import base64
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleetloop.kube import Kube, Manifest, NotFound, ObjectRef
from tests.kit.forge import LocalForge

PATIENCE = 150.0  # seconds, for one run of the command
ALL_RIGHTS = {"administration": "write", "contents": "write", "statuses": "write", "metadata": "read", "members": "read"}
BOT_RIGHTS = {"administration": "read", "contents": "write", "statuses": "write", "metadata": "read"}
SMALL = "--components=source-controller,kustomize-controller"  # where it does not matter what is installed
_names = itertools.count(1)


@dataclass(frozen=True)
class Finished:
    output: str
    errors: str
    code: int

    @property
    def lines(self) -> list[str]:
        return self.errors.splitlines()


@dataclass(frozen=True)
class Place:
    """One API server with its controllers and no node, and one forge with the organisation acme."""

    kube: Kube
    kubeconfig: Path
    forge: LocalForge
    folder: Path
    token: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def domain(self) -> str:
        return self.forge.url.removeprefix("https://")

    @property
    def ssh_host(self) -> str:
        return self.forge.ssh_url.removeprefix("ssh://git@")

    def name(self, stem: str = "fleet") -> str:
        """A name nobody else uses: for repositories and namespaces."""
        return f"{stem}-{os.getpid()}-{next(_names)}"

    def github(self, name: str, *more: str, namespace: str = "") -> list[str]:
        """`bootstrap github` for acme/`name`, in the namespace of the same name."""
        return [
            *("bootstrap", "github", "--owner=acme", f"--repository={name}", "--path=clusters/x"),
            *(f"--hostname={self.domain}", f"--ssh-hostname={self.ssh_host}", f"--ca-file={self.forge.ca_file}"),
            *(f"--namespace={namespace or name}", "--timeout=90s"),
            *more,
        ]

    @asynccontextmanager
    async def started(self, *words: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "fleetloop.cli.main", *words),
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig), "GITHUB_TOKEN": self.token} | environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=1 << 24,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):  # reaped by the loop's thread, and not told here yet
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    async def run(self, *words: str, answers: str = "", **environment: str) -> Finished:
        async with asyncio.timeout(PATIENCE), self.started(*words, **environment) as process:
            output, errors = await process.communicate(answers.encode())
            return Finished(output.decode(), errors.decode(), process.returncode or 0)

    async def killed_at(self, line: str, *words: str) -> list[str]:
        """kill -9 as soon as a line of progress that holds `line` appears; gives what had been said."""
        said: list[str] = []
        async with asyncio.timeout(PATIENCE), self.started(*words) as process:
            assert process.stderr
            while raw := await process.stderr.readline():
                said.append(raw.decode().rstrip("\n"))
                if line in said[-1]:
                    return said  # which ends the process
        raise AssertionError(f"{line!r} was never said, but: {said}")

    async def secret(self, namespace: str, name: str = "flux-system") -> dict[str, bytes]:
        live = await self.kube.get(ObjectRef("v1", "Secret", namespace, name))
        return {key: base64.b64decode(value) for key, value in (live.get("data") or {}).items()}

    async def file(self, repository: str, path: str) -> str:
        return (await self.forge.admin.file("acme", repository, path, "main")).decode()

    async def subjects(self, repository: str) -> list[str]:
        return [commit.message.splitlines()[0] for commit in await self.forge.admin.commits("acme", repository, "main")]

    async def exists(self, ref: ObjectRef) -> bool:
        return await self.kube.find(ref) is not None


class Follower:
    """Reports what the controllers would: the branch's head as fetched and applied, and pods as ready."""

    def __init__(self, place: Place) -> None:
        self._kube, self._forge = place.kube, place.forge

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._every("v1", "Pod", self._start_pod)),
                group.create_task(self._sync("gitrepositories", "source.toolkit.fluxcd.io/v1", "GitRepository")),
                group.create_task(self._sync("kustomizations", "kustomize.toolkit.fluxcd.io/v1", "Kustomization")),
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def _sync(self, plural: str, api_version: str, kind: str) -> None:
        definition = f"{plural}.{api_version.partition('/')[0]}"
        while True:
            await self._established(definition)
            try:
                await self._every(api_version, kind, self._report)
            except NotFound:
                continue

    async def _established(self, name: str) -> None:
        selector = f"metadata.name={name}"
        while True:
            async for event in self._kube.watch("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "", selector):
                conditions = (event.object.get("status") or {}).get("conditions") or []
                if any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
                    return

    async def _every(self, api_version: str, kind: str, act: Any) -> None:
        while True:
            async for event in self._kube.watch(api_version, kind):
                if event.type in ("ADDED", "MODIFIED"):
                    with contextlib.suppress(NotFound):  # it went meanwhile
                        await act(event.object)

    async def _start_pod(self, pod: Manifest) -> None:
        conditions = (pod.get("status") or {}).get("conditions") or []
        if pod["metadata"].get("deletionTimestamp"):
            await self._kube.delete(_ref(pod), grace_seconds=0)
        elif not any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
            ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            await self._kube.patch(_ref(pod), {"status": {"phase": "Running", "conditions": [ready]}}, subresource="status")

    async def _report(self, live: Manifest) -> None:
        metadata, status = live["metadata"], live.get("status") or {}
        revision = await self._revision(live)
        if not revision:
            return
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        wanted: dict[str, Any] = {"observedGeneration": metadata["generation"], "conditions": [ready]}
        if live["kind"] == "GitRepository":
            digest = "sha256:" + "0" * 64
            wanted["artifact"] = {
                "revision": revision,
                "digest": digest,
                "lastUpdateTime": "2026-01-01T00:00:00Z",
                "path": "x",
                "url": "http://x/x",
            }
        else:
            wanted |= {"lastAttemptedRevision": revision, "lastAppliedRevision": revision}
        if any(status.get(key) != value for key, value in wanted.items()):
            await self._kube.patch(_ref(live), {"status": wanted}, subresource="status")
        if live["kind"] == "GitRepository":  # what follows it has been waiting
            name = metadata["name"]
            if follower := await self._kube.find(ObjectRef("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, name)):
                await self._report(follower)

    async def _revision(self, live: Manifest) -> str:
        name = live["metadata"]["name"]
        if live["kind"] == "Kustomization":
            source = await self._kube.find(
                ObjectRef("source.toolkit.fluxcd.io/v1", "GitRepository", name, live["spec"]["sourceRef"]["name"])
            )
            return str((((source or {}).get("status") or {}).get("artifact") or {}).get("revision") or "")
        owner, repository = live["spec"]["url"].rstrip("/").removesuffix(".git").split("/")[-2:]
        branch = (live["spec"].get("ref") or {}).get("branch")
        if not branch:
            return ""  # none of ours
        head = (await self._forge.admin.repository(owner, repository))["branches"].get(branch)
        return f"{branch}@sha1:{head}" if head else ""


def _ref(live: Manifest) -> ObjectRef:
    metadata = live["metadata"]
    return ObjectRef(live["apiVersion"], live["kind"], metadata.get("namespace", ""), metadata["name"])
