"""Reads and changes bare repositories through the `git` program. Knows neither accounts nor HTTP."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

GIT_TIMEOUT = 60.0  # seconds for one command that answers the API
OUTPUT_LIMIT = 64 * 1024 * 1024  # bytes of one command's answer
COMMIT_FORMAT = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class GitFailed(Exception):
    """A git command ended with an error. `code` is its exit status, the message what it wrote to stderr."""

    def __init__(self, verb: str, code: int, stderr: str) -> None:
        super().__init__(f"git {verb} ended with {code}: {stderr.strip()[-500:]}")
        self.code = code


class GitTooOld(Exception):
    """The git program cannot do what the forge needs."""


class MergeConflict(Exception):
    """Two branches change the same lines."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who, and when (RFC 3339)."""

    name: str
    email: str
    date: str


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


class TreeEntry(NamedTuple):
    """One line of a tree; `kind` is blob, tree or commit (a submodule), `size` is bytes, 0 for what is no blob."""

    mode: str
    kind: str
    sha: str
    size: int
    path: str


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a git child sees: no user or system configuration, no prompt, nothing of our own environment but PATH."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        **(extra or {}),
    }


async def stop_group(process: asyncio.subprocess.Process) -> None:
    """Kill a child that leads a process group, with its own children, and collect it."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def run_git(
    arguments: Sequence[str], cwd: Path, *, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> bytes:
    """The standard output of `git ARGUMENTS`; raises GitFailed, and TimeoutError after GIT_TIMEOUT seconds."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        cwd=cwd,
        env=clean_environment(environment),
        stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(GIT_TIMEOUT):
            output, errors = await process.communicate(stdin or None)
    finally:
        await stop_group(process)
    if process.returncode:
        raise GitFailed(arguments[0], process.returncode, errors.decode(errors="replace"))
    return output


async def check_git(folder: Path) -> None:
    """Raise GitTooOld, or OSError when there is no git at all."""
    words = (await run_git(["version"], folder)).decode().split()
    numbers = [int(part) for part in words[2].split(".")[:2]]
    if numbers < [2, 38]:
        raise GitTooOld(f"git is version {words[2]}; the forge merges with `git merge-tree --write-tree` of version 2.38")


class BareRepository:
    """One bare repository. Refs and revisions given must have passed `names`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    async def create(cls, path: Path, default_branch: str) -> "BareRepository":
        await asyncio.to_thread(path.mkdir, parents=True)
        await run_git(["init", "--quiet", "--bare", f"--initial-branch={default_branch}", "--template=", "."], path)
        return cls(path)

    async def set_default_branch(self, branch: str) -> None:
        await self._git("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    async def refs(self, prefix: str = "refs/") -> dict[str, str]:
        """Full name -> id of what it points to, sorted by name."""
        output = await self._git("for-each-ref", "--format=%(refname) %(objectname)", prefix)
        return dict(line.split(" ", 1) for line in output.decode().splitlines())

    async def resolve(self, revision: str) -> str | None:
        """The commit id that a branch, tag, full ref or commit id stands for."""
        if revision == "0" * 40:
            return None
        for candidate in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if not candidate.startswith("refs/") and not _is_sha(candidate):
                continue
            try:
                output = await self._git("rev-parse", "--quiet", "--verify", "--end-of-options", candidate + "^{commit}")
            except GitFailed:
                continue
            return output.decode().strip()
        return None

    async def object_type(self, sha: str) -> str | None:
        """commit, tree, blob or tag; None when the repository has no such object."""
        try:
            return (await self._git("cat-file", "-t", sha)).decode().strip()
        except GitFailed:
            return None

    async def commits(self, start: str, limit: int, skip: int = 0, path: str = "", exclude: str = "") -> list[Commit]:
        """History from commit `start`, newest first, of `path` alone if given, without what `exclude` reaches."""
        arguments = ["log", "-z", f"--format={COMMIT_FORMAT}", f"--max-count={limit}", f"--skip={skip}", start]
        arguments += [f"^{exclude}"] if exclude else []
        arguments += ["--", path] if path else ["--"]
        fields = (await self._git(*arguments)).decode(errors="replace").split("\0")
        return [_commit_of(fields[at : at + 10]) for at in range(0, len(fields) - 1, 10)]

    async def commit(self, sha: str) -> Commit:
        return (await self.commits(sha, 1))[0]

    async def raw_commit(self, sha: str) -> bytes:
        """The commit object as git stores it."""
        return await self._git("cat-file", "commit", sha)

    async def changes(self, sha: str) -> list[tuple[str, str]]:
        """What the commit did to paths, against its first parent: (A, M, D or T, path)."""
        return await self.changes_between(await self.before(sha), sha)

    async def before(self, sha: str) -> str:
        """What a commit is compared with: its first parent, or the empty tree."""
        parents = (await self.commit(sha)).parents
        return parents[0] if parents else EMPTY_TREE

    async def changes_between(self, before: str, sha: str) -> list[tuple[str, str]]:
        """(A, M, D or T, path) between two commits or trees."""
        output = await self._git("diff-tree", "-r", "-z", "--no-renames", "--name-status", before, sha)
        fields = output.decode(errors="replace").split("\0")
        return list(zip(fields[0:-1:2], fields[1::2], strict=False))

    async def patch(self, before: str, after: str) -> str:
        """The difference between two trees or commits as text for people."""
        output = await self._git("diff-tree", "-p", "--no-renames", "--no-color", before, after)
        return output.decode(errors="replace")

    async def line_counts(self, before: str, after: str) -> dict[str, tuple[int, int]]:
        """path -> lines (added, removed) between two trees or commits; binary files count as none."""
        output = await self._git("diff-tree", "-r", "-z", "--no-renames", "--numstat", before, after)
        rows = [line.split("\t", 2) for line in output.decode(errors="replace").split("\0") if line]
        return {path: (_number(added), _number(removed)) for added, removed, path in rows}

    async def tree(self, treeish: str, path: str = "") -> list[TreeEntry]:
        """Entries of a folder, not of the folders in it."""
        where = [f"{path}/"] if path else []
        output = await self._git("ls-tree", "-z", "--long", "--full-tree", treeish, "--", *where)
        return [_entry_of(line) for line in output.decode(errors="replace").split("\0") if line]

    async def whole_tree(self, treeish: str) -> list[TreeEntry]:
        """Entries of all folders, trees among them."""
        output = await self._git("ls-tree", "-r", "-t", "-z", "--long", "--full-tree", treeish)
        return [_entry_of(line) for line in output.decode(errors="replace").split("\0") if line]

    async def files(self, treeish: str) -> list[str]:
        output = await self._git("ls-tree", "-r", "-z", "--name-only", "--full-tree", treeish)
        return [path for path in output.decode(errors="replace").split("\0") if path]

    async def entry(self, treeish: str, path: str) -> TreeEntry | None:
        """The one entry at `path`."""
        output = await self._git("ls-tree", "-z", "--long", "--full-tree", treeish, "--", path)
        entries = [_entry_of(line) for line in output.decode(errors="replace").split("\0") if line]
        return entries[0] if entries else None

    async def blob(self, sha: str) -> bytes:
        return await self._git("cat-file", "blob", sha)

    async def update_ref(self, ref: str, new: str, old: str) -> None:
        """Move `ref` from `old` (forty zeros: must not exist) to `new`; raises GitFailed when it stands elsewhere."""
        await self._git("update-ref", ref, new, old)

    async def delete_ref(self, ref: str, old: str) -> None:
        await self._git("update-ref", "-d", ref, old)

    async def is_ancestor(self, older: str, newer: str) -> bool:
        try:
            await self._git("merge-base", "--is-ancestor", older, newer)
        except GitFailed as failed:
            if failed.code == 1:
                return False
            raise
        return True

    async def merge_base(self, one: str, other: str) -> str | None:
        try:
            return (await self._git("merge-base", one, other)).decode().strip()
        except GitFailed:
            return None

    async def count(self, start: str, exclude: str) -> int:
        return int(await self._git("rev-list", "--count", start, f"^{exclude}"))

    async def merged_tree(self, base: str, head: str) -> str:
        """The tree of `head` merged into `base`; raises MergeConflict."""
        try:
            output = await self._git("merge-tree", "--write-tree", "--allow-unrelated-histories", base, head)
        except GitFailed as failed:
            if failed.code == 1:
                raise MergeConflict(f"{head[:7]} conflicts with {base[:7]}") from failed
            raise
        return output.decode().split("\n", 1)[0]

    async def write_blob(self, content: bytes) -> str:
        return (await run_git(["hash-object", "-w", "--stdin"], self.path, stdin=content)).decode().strip()

    async def tree_with(self, treeish: str | None, path: str, blob: str | None) -> str:
        """A tree like `treeish` (None: empty) with `blob` at `path`, or without `path` when blob is None."""
        index = self.path / f"index.{os.urandom(8).hex()}"
        with_index = {"GIT_INDEX_FILE": str(index)}
        try:
            await run_git(["read-tree", treeish] if treeish else ["read-tree", "--empty"], self.path, environment=with_index)
            line = f"100644 {blob}\t{path}\0" if blob else f"0 {'0' * 40}\t{path}\0"
            update = ["update-index", "-z", "--index-info"]
            await run_git(update, self.path, stdin=line.encode(), environment=with_index)
            return (await run_git(["write-tree"], self.path, environment=with_index)).decode().strip()
        finally:
            await asyncio.to_thread(index.unlink, missing_ok=True)

    async def write_commit(self, tree: str, parents: Sequence[str], message: str, author: Signature, committer: Signature) -> str:
        """A new commit object; no ref moves."""
        people = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_AUTHOR_DATE": author.date,
            "GIT_COMMITTER_NAME": committer.name,
            "GIT_COMMITTER_EMAIL": committer.email,
            "GIT_COMMITTER_DATE": committer.date,
        }
        arguments = ["commit-tree", tree, *(word for parent in parents for word in ("-p", parent)), "-F", "-"]
        return (await run_git(arguments, self.path, stdin=message.encode(), environment=people)).decode().strip()

    async def _git(self, *arguments: str) -> bytes:
        output = await run_git(arguments, self.path)
        if len(output) > OUTPUT_LIMIT:
            raise GitFailed(arguments[0], 0, f"answer is larger than {OUTPUT_LIMIT} bytes")
        return output


def _is_sha(text: str) -> bool:
    return len(text) == 40 and not set(text) - set("0123456789abcdef")


def _number(text: str) -> int:
    return 0 if text == "-" else int(text)


def _commit_of(fields: Sequence[str]) -> Commit:
    sha, tree, parents, name, email, date, committer, committer_email, committed, message = fields
    return Commit(
        sha,
        tree,
        tuple(parents.split()),
        Signature(name, email, date),
        Signature(committer, committer_email, committed),
        message.rstrip("\n"),
    )


def _entry_of(line: str) -> TreeEntry:
    head, path = line.split("\t", 1)
    mode, kind, sha, size = head.split()
    return TreeEntry(mode, kind, sha, _number(size), path)
