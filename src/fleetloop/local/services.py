"""What all clusters of a folder share: the Git forge, the OCI registry, and a chat room for alerts."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

from fleetloop.local.alongside import alongside
from fleetloop.local.chat import chat_on
from fleetloop.local.child import ServerDied, ServerProcess
from fleetloop.local.network import CHAT_PORT, FORGE_PORT, FORGE_SSH_PORT, REGISTRY_PORT
from fleetloop.local.pki import Authority
from fleetloop.local.programs import Programs
from fleetloop.local.state import StateFolder

START_PATIENCE = 30.0
TRIES = 4


class SharedServices:
    """`running` starts them, `until_ready` waits until they answer, `status` tells how to reach them."""

    def __init__(self, state: StateFolder, programs: Programs) -> None:
        address = self._address = state.network().server
        Authority.ensure(state.pki, "fleetloop local")
        authority = ["--ca-cert", str(state.pki / "ca.crt"), "--ca-key", str(state.pki / "ca.key")]
        ports = ["--address", address, "--port", str(FORGE_PORT), "--ssh-port", str(FORGE_SSH_PORT)]
        self._forge = ServerProcess(
            "forge",
            [sys.executable, "-m", "fleetloop.local.forge", "--dir", str(state.forge), *ports, *authority],
            state.service_log("forge"),
            tries=TRIES,
        )
        place = ["--state-dir", str(state.registry), "--bind-address", address, "--port", str(REGISTRY_PORT)]
        self._registry = ServerProcess(
            "registry",
            [str(programs.cluster), "registry", *place, "--exit-with-parent"],
            state.service_log("registry"),
        )
        self._status: dict[str, Any] = {}
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with (
            chat_on(self._address, CHAT_PORT) as chat,
            self._forge.running(),
            self._registry.running(),
            alongside(self._hear(chat)),
        ):
            yield

    async def until_ready(self) -> None:
        """Raises ServerDied."""
        await asyncio.shield(self._ready)  # whoever waits may leave

    async def _hear(self, chat: str) -> None:
        try:
            forge = json.loads(await _announcement(self._forge))
            registry = json.loads(await _announcement(self._registry))
        except ServerDied as error:
            self._ready.set_exception(error)
            self._ready.exception()  # seen, even if nobody waits
            return
        self._status = {
            "forge": forge | {"pid": self._forge.pid},
            "registry": {"url": f"oci://{registry['address']}", "pid": self._registry.pid, "insecure": True},
            "chat": {"url": chat, "hook": f"{chat}/hook"},
        }
        self._ready.set_result(None)

    def status(self) -> dict[str, Any]:
        return self._status


async def _announcement(server: ServerProcess) -> str:
    try:
        async with asyncio.timeout(START_PATIENCE):
            return await server.announcement()
    except TimeoutError as error:
        raise ServerDied(f"{server.name} does not answer after {START_PATIENCE:g}s") from error
