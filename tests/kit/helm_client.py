"""The helm command of the engine's own version, built from tests/clients/helm: the client that people have beside us."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import orjson

SOURCES = Path(__file__).parents[1] / "clients" / "helm"
BUILD_TIME = 900.0  # seconds, with nothing compiled yet
ANSWER_TIME = 60.0


class HelmClient:
    """`folder`: where the program and its home may be."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self._program, self._folder, self._kubeconfig = folder / "helm", folder, kubeconfig

    def build(self) -> None:
        command = ["go", "build", "-trimpath", "-o", str(self._program), "helm.sh/helm/v4/cmd/helm"]
        subprocess.run(command, cwd=SOURCES, env=os.environ | {"CGO_ENABLED": "0"}, check=True, timeout=BUILD_TIME)

    async def run(self, *arguments: str) -> str:
        """Its output. Raises AssertionError with what it complained of."""
        environment = {"HOME": str(self._folder), "KUBECONFIG": str(self._kubeconfig), "PATH": os.environ["PATH"]}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(str(self._program), *arguments, env=environment, stdout=pipe, stderr=pipe)
        async with asyncio.timeout(ANSWER_TIME):
            out, complaints = await process.communicate()
        assert process.returncode == 0, complaints.decode()
        return out.decode()

    async def json(self, *arguments: str) -> Any:
        return orjson.loads(await self.run(*arguments, "-o", "json"))
