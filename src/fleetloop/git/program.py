"""The git program as a child process: bounded in time and output, killed with everything it started.

There is never a shell of ours. The environment is built here from nothing: no user or system configuration, no
prompt, no hooks, no protocol but the allowed ones.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from fleetloop.git.address import PROTOCOLS, GitUrl
from fleetloop.git.credentials import ANONYMOUS, OPENSSH_CHOICE, Access, Credentials, SshAlgorithms, access_of
from fleetloop.git.errors import GitError, GitTimeout, RepositoryTooLarge
from fleetloop.removal import remove_tree
from fleetloop.task_group import TaskGroup

_INHERITED = frozenset({"PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"})
_PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
_CONFIG = (
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.fsync", "none"),  # every tree we make is made again after a crash
    ("core.autocrlf", "false"),
    ("core.bigFileThreshold", "16m"),  # larger files go through in pieces, and not through memory
    ("credential.helper", ""),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("advice.detachedHead", "false"),
    ("http.userAgent", "fleetloop"),
    ("http.lowSpeedLimit", "1"),  # bytes a second: a child whose parent was killed ends by itself
    ("http.lowSpeedTime", "600"),
    ("protocol.version", "2"),
)
_STDERR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Git:
    """How git is run, and its limits in bytes and files. One value per process, made at start."""

    program: str = "git"
    inherited: Mapping[str, str] = field(default_factory=lambda: {"PATH": os.defpath})
    temp: Path | None = None
    protocols: tuple[str, ...] = PROTOCOLS
    ssh: SshAlgorithms = OPENSSH_CHOICE
    max_pack_bytes: int = 1 << 30
    max_tree_bytes: int = 2 << 30
    max_tree_files: int = 250_000
    max_tree_levels: int = 100
    max_output_bytes: int = 64 << 20

    @classmethod
    def inheriting(cls, environment: Mapping[str, str]) -> "Git":
        """Takes PATH, proxies and certificate places from `environment`, nothing else."""
        return cls(inherited={k: v for k, v in environment.items() if k in _INHERITED or k.upper() in _PROXIES})


PLAIN_GIT = Git()


@dataclass(frozen=True, slots=True)
class Finished:
    status: int
    stdout: bytes
    stderr: str


@dataclass(frozen=True, slots=True)
class Session:
    """Git with access to one server, for the time of one operation. `home` is private and vanishes afterwards."""

    git: Git
    home: Path
    environment: Mapping[str, str] = field(repr=False)  # holds credentials

    def at(self, git_dir: Path, work_tree: Path) -> "Session":
        """The same for a repository whose parts lie in two places."""
        places = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(work_tree)}
        return Session(self.git, self.home, {**self.environment, **places})

    async def run(self, *arguments: str, cwd: Path | None = None, stdin: bytes = b"") -> Finished:
        """Runs `git ARGUMENTS`; whatever the exit status. Raises RepositoryTooLarge when it says too much."""
        process = await self._start(arguments, cwd or self.home, stdin)
        try:
            _limit_files(process.pid, self.git.max_pack_bytes)
            async with TaskGroup() as tasks:
                out = tasks.create_task(_read(process.stdout, self.git.max_output_bytes))
                err = tasks.create_task(_read_start(process.stderr, _STDERR_BYTES))
            status = await process.wait()
            return Finished(status, out.result(), _with_signal(status, err.result()))
        except* RepositoryTooLarge as errors:
            raise errors.exceptions[0] from None
        finally:
            if process.returncode is None:
                _kill_group(process.pid)
                await process.wait()

    async def _start(self, arguments: tuple[str, ...], cwd: Path, stdin: bytes) -> asyncio.subprocess.Process:
        try:
            with _source(stdin) as source:
                return await asyncio.create_subprocess_exec(
                    self.git.program,
                    *arguments,
                    cwd=cwd,
                    env=dict(self.environment),
                    stdin=source,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    start_new_session=True,
                )
        except OSError as error:
            raise GitError(f"git cannot be started: {error.strerror}") from None

    async def read(self, *arguments: str, cwd: Path | None = None, stdin: bytes = b"") -> bytes:
        """stdout of a local command that ought to work; raises GitError."""
        done = await self.run(*arguments, cwd=cwd, stdin=stdin)
        if done.status:
            raise GitError(f"git {arguments[0]} failed: {done.stderr.strip()[:500]}")
        return done.stdout


@asynccontextmanager
async def session(git: Git, url: GitUrl | None = None, credentials: Credentials = ANONYMOUS) -> AsyncIterator[Session]:
    """Without `url`, for local commands only. Raises what `access_of` raises."""
    home = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="fleetloop-git-", dir=git.temp))
    try:
        access = Access() if url is None else await asyncio.to_thread(access_of, url, credentials, home, git.ssh)
        for name, content in access.files:
            _write_private(home / name, content)
        yield Session(git, home, environment_of(git, home, access))
    finally:
        await asyncio.to_thread(remove_tree, home)


def environment_of(git: Git, home: Path, access: Access) -> dict[str, str]:
    """Pure: every variable a git child sees."""
    config = [*_CONFIG, *access.config]
    return {
        **git.inherited,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(git.protocols),
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_CEILING_DIRECTORIES": str(home),
        "GIT_CONFIG_COUNT": str(len(config)),
        **{f"GIT_CONFIG_KEY_{n}": key for n, (key, _) in enumerate(config)},
        **{f"GIT_CONFIG_VALUE_{n}": value for n, (_, value) in enumerate(config)},
        **dict(access.variables),
    }


@asynccontextmanager
async def within(seconds: float, doing: str) -> AsyncIterator[None]:
    """The time limit of one operation, as GitTimeout."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise GitTimeout(f"{doing}: no answer within {seconds:g}s") from None


def _write_private(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


@contextmanager
def _source(content: bytes) -> Iterator[IO[bytes] | int]:
    """A file, not a pipe: a child that ends without reading is then no error of ours."""
    if not content:
        yield asyncio.subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file


def _limit_files(pid: int, size: int) -> None:
    """No file of the child's may grow beyond `size` bytes; where the system cannot do that, the deadline is the limit."""
    try:
        import resource

        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))
    except (ImportError, AttributeError, OSError):
        return


def _kill_group(leader: int) -> None:
    """The helpers git starts (ssh, git-remote-https) share its process group; none outlives the call."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


async def _read(stream: asyncio.StreamReader | None, limit: int) -> bytes:
    assert stream is not None
    chunks: list[bytes] = []
    while chunk := await stream.read(1 << 16):
        chunks.append(chunk)
        limit -= len(chunk)
        if limit < 0:
            raise RepositoryTooLarge("the repository has more refs or files than we accept")
    return b"".join(chunks)


async def _read_start(stream: asyncio.StreamReader | None, limit: int) -> str:
    """The first `limit` bytes; the rest is read and dropped, so that the child never blocks."""
    assert stream is not None
    start = b""
    while chunk := await stream.read(1 << 16):
        start = (start + chunk)[:limit]
    return start.decode(errors="replace")


def _with_signal(status: int, stderr: str) -> str:
    too_large = status == -getattr(signal, "SIGXFSZ", 0) and status
    return stderr + "\nfile size limit exceeded" if too_large else stderr
