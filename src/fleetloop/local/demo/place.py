"""Where the demo happens: the running forge and clusters, as `fleetloop local status -o json` tells them."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetloop.kube import Kube, from_kubeconfig

CLUSTERS = ("staging", "production")
UP_TIMEOUT = 300.0  # seconds


class DemoFailed(Exception):
    """A step of the demo did not do what it shows; the message is for the person who watches."""


@dataclass(frozen=True, slots=True)
class Place:
    """`folder` holds the state of everything; `kubeconfigs` by cluster name."""

    folder: Path
    forge_url: str
    ca_file: Path
    admin_token: str
    kubeconfigs: Mapping[str, Path]

    @property
    def forge_host(self) -> str:
        return self.forge_url.removeprefix("https://")

    @contextlib.asynccontextmanager
    async def cluster(self, name: str) -> AsyncIterator[Kube]:
        async with Kube(from_kubeconfig([self.kubeconfigs[name]]), field_manager="demo") as kube:
            yield kube


async def bring_up(folder: Path) -> Place:
    """Starts what is not running yet. Raises DemoFailed."""
    await fleetloop(["local", "up", *CLUSTERS, f"--dir={folder}"], timeout=UP_TIMEOUT)
    found = json.loads(await fleetloop(["local", "status", "-o", "json", f"--dir={folder}"], timeout=UP_TIMEOUT))
    return place_of(folder, found)


async def take_down(folder: Path) -> None:
    await fleetloop(["local", "down", f"--dir={folder}"], timeout=UP_TIMEOUT)


async def start_over(folder: Path) -> None:
    """Forgets an earlier demo's state."""
    await fleetloop(["local", "reset", f"--dir={folder}"], timeout=UP_TIMEOUT)


def place_of(folder: Path, status: Mapping[str, Any]) -> Place:
    forge = status["forge"]
    return Place(
        folder=folder,
        forge_url=forge["url"],
        ca_file=Path(forge["caFile"]),
        admin_token=forge["token"],
        kubeconfigs={cluster["name"]: Path(cluster["kubeconfig"]) for cluster in status["clusters"]},
    )


async def fleetloop(arguments: Sequence[str], *, timeout: float, environment: Mapping[str, str] | None = None) -> str:
    """Runs the command as a user would, and returns its stdout; what it said counts only when it failed. Raises DemoFailed."""
    out, _ = await _run(arguments, timeout, environment, asyncio.subprocess.PIPE)
    return out


async def shown(arguments: Sequence[str], *, timeout: float, environment: Mapping[str, str]) -> None:
    """Runs the command with its progress on our own stderr. Raises DemoFailed."""
    await _run(arguments, timeout, environment, None)


async def _run(
    arguments: Sequence[str], timeout: float, environment: Mapping[str, str] | None, stderr: int | None
) -> tuple[str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fleetloop.cli.main"),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        env=dict(environment) if environment is not None else None,
    )
    try:
        async with asyncio.timeout(timeout):
            out, errors = await process.communicate()
    except TimeoutError:
        process.terminate()
        await process.wait()
        raise DemoFailed(f"fleetloop {arguments[0]} did not end within {timeout:g}s") from None
    if process.returncode:
        said = (errors or b"").decode(errors="replace")
        raise DemoFailed(f"fleetloop {' '.join(arguments[:2])} failed\n{said}".rstrip())
    return out.decode(), (errors or b"").decode(errors="replace")
