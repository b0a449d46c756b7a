"""A real Git server for tests of the protocol alone: `git daemon` over one folder of bare repositories, no credentials."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


def git(where: Path, *arguments: str, at: str = "2026-01-01T00:00:00Z") -> str:
    """Runs git as a test's own hand, with a fixed author and date; gives stdout without the last newline."""
    dates = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
    done = subprocess.run(
        ["git", *arguments], cwd=where, env={**_ENVIRONMENT, **dates}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.rstrip("\n")


@dataclass(frozen=True)
class WorkingCopy:
    """A person's clone: write files, commit, push."""

    folder: Path
    bare: Path

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, message: str, files: Mapping[str, str | bytes]) -> str:
        """Writes, commits everything and pushes the current branch; gives the hash."""
        self.write(files)
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--message", message)
        self.push()
        return git(self.folder, "rev-parse", "HEAD")

    def push(self, *refspecs: str) -> None:
        git(self.folder, "push", "--quiet", str(self.bare), *(refspecs or ("HEAD",)))


@dataclass(frozen=True)
class GitServer:
    root: Path
    port: int

    def url(self, name: str) -> str:
        return f"git://127.0.0.1:{self.port}/{name}.git"

    def create(self, name: str, object_format: str = "sha1") -> WorkingCopy:
        """An empty repository on the server, and a working copy of it on branch main."""
        bare, folder = self.root / f"{name}.git", self.root.parent / f"copy-{name}"
        for path, bareness in ((bare, ["--bare"]), (folder, [])):
            git(self.root, "init", "--quiet", "-b", "main", f"--object-format={object_format}", *bareness, str(path))
        return WorkingCopy(folder, bare)


@asynccontextmanager
async def git_server(folder: Path) -> AsyncIterator[GitServer]:
    """Serves every repository below `folder`, for reading and pushing."""
    root = folder / "served"
    root.mkdir()
    port = _free_port()
    options = ["--export-all", "--enable=receive-pack", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}"]
    process = await asyncio.create_subprocess_exec(
        "git", "daemon", *options, f"--base-path={root}", str(root), env=_ENVIRONMENT, start_new_session=True
    )
    try:
        await _until_listening(port)
        yield GitServer(root, port)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)  # a foreign program tells nobody when it listens
                continue
            writer.close()
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
