"""How commands talk to a running supervisor: HTTP over a Unix socket in the state folder, for its owner alone.

GET  /status                  what `fleetloop local status -o json` prints
POST /clusters {"names": []}  lines of JSON: {"cluster": …, "event": "starting" | "ready"} or {…, "error": …}
"""

import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from fleetloop.local.clusters import StartFailed
from fleetloop.local.state import BadClusterName
from fleetloop.task_group import TaskGroup

SOCKET = "supervisor.sock"
HOST = "http://supervisor"
SERVICES = "forge and registry"  # beside the clusters' names, which have no spaces


@contextlib.contextmanager
def socket_path(folder: Path) -> Iterator[str]:
    """The socket under a name that is short enough: a socket's path may have 107 bytes, a state folder's more."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


class ControlServer:
    """`ensure` starts a cluster by name and returns when it is ready, `services` when forge and registry are; `status`
    describes everything.
    """

    def __init__(
        self,
        ensure: Callable[[str], Awaitable[None]],
        services: Callable[[], Awaitable[None]],
        status: Callable[[], dict[str, Any]],
    ) -> None:
        self._ensure = ensure
        self._services = services
        self._status = status

    @contextlib.asynccontextmanager
    async def serving(self, folder: Path) -> AsyncIterator[None]:
        application = web.Application()
        application.add_routes([web.get("/status", self._get_status), web.post("/clusters", self._start_clusters)])
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            (folder / SOCKET).unlink(missing_ok=True)
            with socket_path(folder) as path:
                await web.UnixSite(runner, path).start()
            yield
        finally:
            await runner.cleanup()
            (folder / SOCKET).unlink(missing_ok=True)

    async def _get_status(self, request: web.Request) -> web.Response:
        return web.json_response(self._status())

    async def _start_clusters(self, request: web.Request) -> web.StreamResponse:
        names = (await request.json())["names"]
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        async with TaskGroup() as tasks:
            tasks.create_task(_reported(response, SERVICES, self._services()))
            for name in names:
                await _say(response, cluster=name, event="starting")
                tasks.create_task(_reported(response, name, self._ensure(name)))
        await response.write_eof()
        return response


async def _reported(response: web.StreamResponse, name: str, start: Awaitable[None]) -> None:
    try:
        await start
    except (*StartFailed, BadClusterName) as error:
        await _say(response, cluster=name, error=str(error))
    else:
        await _say(response, cluster=name, event="ready")


async def _say(response: web.StreamResponse, **words: str) -> None:
    await response.write(json.dumps(words).encode() + b"\n")


class ControlClient:
    """Raises OSError or aiohttp.ClientError when no supervisor answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def status(self) -> dict[str, Any]:
        async with self._session() as session, session.get(f"{HOST}/status") as response:
            found: dict[str, Any] = await response.json()
            return found

    async def start_clusters(self, names: Sequence[str]) -> AsyncIterator[dict[str, str]]:
        """What happens, as it happens."""
        async with self._session() as session, session.post(f"{HOST}/clusters", json={"names": list(names)}) as response:
            async for line in response.content:
                yield json.loads(line)

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        with socket_path(self._folder) as path:
            async with aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path), timeout=aiohttp.ClientTimeout(total=300)
            ) as session:
                yield session
