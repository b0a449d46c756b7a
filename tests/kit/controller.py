"""`Controller`: a controller of ours as a process, on a loopback address of its own."""

import asyncio
import os
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Controller:
    """`folder` holds its log, its temporary files (`temp`), and for source-controllers the artifact store (`data`).

    `environment` is what it has beside the usual.
    """

    component: str
    kubeconfig: Path
    folder: Path
    flags: tuple[str, ...] = ()
    address: str = field(default_factory=lambda: "127." + ".".join(str(random.randint(2, 250)) for _ in range(3)))
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def temp(self) -> Path:
        return self.folder / "tmp"

    async def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self.temp.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.kubeconfig),
            "FLEETLOOP_BIND_ADDRESS": self.address,
            "RUNTIME_NAMESPACE": "default",
            "TMPDIR": str(self.temp),
            **self.environment,
        }
        storage = (f"--storage-path={self.data}",) if self.component == "source-controller" else ()
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "fleetloop.serve", self.component, "--log-level=debug"),
                *storage,
                *self.flags,
                env=environment,
                stdout=log,
                stderr=log,
            )

    async def stop(self) -> None:
        assert self.process
        self.process.terminate()
        await self.process.wait()

    async def kill(self) -> None:
        assert self.process
        self.process.kill()
        await self.process.wait()
