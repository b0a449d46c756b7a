"""The clone a bootstrap works in: planned files in, commits and pushes out, and whether the remote has moved on.

Thin over the git room. Bound to one remote and branch; used from one task.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fleetloop.bootstrap.errors import StepFailed
from fleetloop.bootstrap.plan import CommitStyle
from fleetloop.git import Credentials, Git, GitUrl, clone, commit_all, push
from fleetloop.git.worktree import initialise, is_built_upon, stage


@dataclass(frozen=True, slots=True)
class Remote:
    """Where and how to clone and push. `timeout` in seconds, for one operation."""

    url: GitUrl
    branch: str
    credentials: Credentials
    git: Git
    timeout: float = 300.0


class WorkTree:
    """`path` is the checked-out tree, which changes when the clone is renewed; `head` its commit, "" before the first."""

    def __init__(self, remote: Remote, folder: Path) -> None:
        self.remote, self._folder = remote, folder
        self.path, self.head = folder / "0", ""
        self.clones = 0

    @classmethod
    @asynccontextmanager
    async def temporary(cls, remote: Remote) -> AsyncIterator["WorkTree"]:
        with tempfile.TemporaryDirectory(prefix="fleetloop-bootstrap-", ignore_cleanup_errors=True) as folder:
            yield cls(remote, Path(folder))

    async def clone(self) -> None:
        """A fresh clone beside the earlier ones. Raises GitError."""
        self._next_path()
        remote = self.remote
        self.head = await clone(remote.url, remote.branch, self.path, remote.credentials, timeout=remote.timeout, git=remote.git)

    async def initialise(self) -> None:
        """Instead of a clone, when the remote does not exist yet or was made a moment ago."""
        self._next_path()
        await initialise(self.path, self.remote.branch, git=self.remote.git)

    def read(self, file: str) -> str | None:
        try:
            return _bounded(self.path, file).read_text()
        except FileNotFoundError:
            return None

    async def commit(self, files: Mapping[str, str], message: str, style: CommitStyle) -> str | None:
        """Writes `files` and commits them; None when they were there already. What .gitignore hides is added too (⚠ 28)."""
        await asyncio.to_thread(write_files, self.path, files)
        await stage(self.path, files, git=self.remote.git)
        made = await commit_all(self.path, message, style.author, style.signer, git=self.remote.git)
        self.head = made or self.head
        return made

    async def push(self) -> None:
        """Raises NonFastForward when somebody else pushed meanwhile, PushRejected, and other GitErrors."""
        remote = self.remote
        await push(self.path, remote.url, remote.branch, remote.credentials, timeout=remote.timeout, git=remote.git)

    async def is_built_upon(self, sha: str) -> bool:
        """Whether `sha`, of the remote branch, has our head among its ancestors (⚠ 36). False when it cannot be told."""
        remote = self.remote
        return await is_built_upon(self.path, sha, remote.url, remote.branch, remote.credentials, git=remote.git)

    def _next_path(self) -> None:
        self.path = self._folder / str(self.clones)
        self.path.mkdir()
        self.clones += 1


def write_files(tree: Path, files: Mapping[str, str]) -> None:
    """Raises StepFailed rather than write through a link of the repository's."""
    for name, content in files.items():
        file = _bounded(tree, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


@asynccontextmanager
async def written(tree: Path, files: Mapping[str, str]) -> AsyncIterator[None]:
    """`files` in the tree for a while, to be built together; afterwards the tree is as it was."""
    before = {name: _content(_bounded(tree, name)) for name in files}
    await asyncio.to_thread(write_files, tree, files)
    try:
        yield
    finally:
        await asyncio.to_thread(_restore, tree, before)


def _bounded(tree: Path, name: str) -> Path:
    file = tree / name
    if file.is_symlink() or not file.parent.resolve().is_relative_to(tree.resolve()):
        raise StepFailed(f'expected "{name}" to be a file of the repository, not a link')
    return file


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _restore(tree: Path, before: Mapping[str, bytes | None]) -> None:
    for name, content in before.items():
        if content is None:
            (tree / name).unlink(missing_ok=True)
        else:
            (tree / name).write_bytes(content)
