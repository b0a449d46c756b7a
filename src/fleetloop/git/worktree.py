"""A work tree that we change and push: clone, commit (signed or not), push. For bootstrap and image updates."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fleetloop.git.address import GitUrl
from fleetloop.git.credentials import ANONYMOUS, Credentials
from fleetloop.git.errors import EmptyRepository, ReferenceNotFound, translate, translate_push
from fleetloop.git.program import PLAIN_GIT, Git, session, within
from fleetloop.git.reference import branch as branch_reference
from fleetloop.git.reference import refs_of
from fleetloop.git.signing import Signer, signed_commit


@dataclass(frozen=True, slots=True)
class Person:
    """Author and committer. `email` may be empty."""

    name: str
    email: str = ""

    def line(self, at: int) -> str:
        """`at`: seconds since 1970, shown as UTC."""
        name, email = (text.translate(_FORBIDDEN).strip() for text in (self.name, self.email))
        return f"{name} <{email}> {at} +0000"


_FORBIDDEN = {ord(char): None for char in "<>\n\r\0"}


async def clone(
    url: GitUrl,
    branch: str,
    into: Path,
    credentials: Credentials = ANONYMOUS,
    *,
    timeout: float = 300.0,
    git: Git = PLAIN_GIT,
) -> str:
    """Clones `branch` alone into the empty folder `into` and gives its head commit, "" when the remote is empty:
    then `into` is a new repository on that branch. Raises ReferenceNotFound and the other errors of this package.
    """
    doing = f"unable to clone '{url}'"
    reference = branch_reference(branch)
    async with within(timeout, doing), session(git, url, credentials) as run:
        listed = await run.run("ls-remote", "--", str(url))
        if listed.status:
            raise translate(listed.stderr, doing)
        try:
            reference.find(refs_of(listed.stdout))
        except EmptyRepository:
            await run.read("init", "--quiet", f"--initial-branch={branch}", str(into))
            return ""
        except ReferenceNotFound as error:
            raise ReferenceNotFound(f"{doing}: {error}") from None
        options = ("--quiet", "--single-branch", "--no-tags", f"--branch={branch}")
        cloned = await run.run("clone", *options, "--", str(url), str(into))
        if cloned.status:
            raise translate(cloned.stderr, doing)
        return (await run.read("rev-parse", "HEAD", cwd=into)).decode().strip()


async def initialise(into: Path, branch: str, *, git: Git = PLAIN_GIT) -> None:
    """`into` becomes a new repository on that branch: what a clone of an empty remote is."""
    branch_reference(branch)
    async with session(git) as run:
        await run.read("init", "--quiet", f"--initial-branch={branch}", str(into))


async def stage(tree: Path, paths: Iterable[str], *, git: Git = PLAIN_GIT) -> None:
    """Puts these files into the next commit, also when .gitignore hides them."""
    async with session(git) as run:
        await run.read("add", "--force", "--", *paths, cwd=tree)


async def is_built_upon(
    tree: Path,
    later: str,
    url: GitUrl,
    branch: str,
    credentials: Credentials = ANONYMOUS,
    *,
    timeout: float = 60.0,
    git: Git = PLAIN_GIT,
) -> bool:
    """Whether `later`, a commit on the remote branch, has the head of `tree` as ancestor. False when it cannot be told."""
    async with within(timeout, f"unable to fetch '{url}'"), session(git, url, credentials) as run:
        fetched = await run.run("fetch", "--quiet", "--no-tags", "--", str(url), branch_reference(branch).ref, cwd=tree)
        if fetched.status:
            return False
        return (await run.run("merge-base", "--is-ancestor", "HEAD", later, cwd=tree)).status == 0


async def commit_all(
    tree: Path,
    message: str,
    author: Person,
    signer: Signer | None = None,
    *,
    at: int | None = None,
    git: Git = PLAIN_GIT,
) -> str | None:
    """Commits every change `git status` would show, so not what .gitignore hides (⚠ 28 of bootstrap.md).

    Gives the commit's hash, None when there was nothing to commit. `at`: seconds since 1970, default now.
    Raises GitError, and what the signer raises.
    """
    async with session(git) as run:
        await run.read("add", "--all", cwd=tree)
        content = (await run.read("write-tree", cwd=tree)).decode().strip()
        head = await run.run("rev-parse", "HEAD", "HEAD^{tree}", cwd=tree)
        before = head.stdout.decode().split() if not head.status else []
        if before[1:] == [content] or (not before and not await run.read("ls-files", cwd=tree)):
            return None
        person = author.line(int(time.time()) if at is None else at)
        parent = f"parent {before[0]}\n" if before else ""
        header = f"tree {content}\n{parent}author {person}\ncommitter {person}\n"
        raw = signed_commit(header.encode(), message.encode(), signer)
        sha = (await run.read("hash-object", "-w", "-t", "commit", "--stdin", cwd=tree, stdin=raw)).decode().strip()
        await run.read("update-ref", "HEAD", sha, cwd=tree)
        return sha


async def push(
    tree: Path,
    url: GitUrl,
    branch: str,
    credentials: Credentials = ANONYMOUS,
    *,
    timeout: float = 300.0,
    git: Git = PLAIN_GIT,
) -> None:
    """Pushes the current commit to `branch`, never by force. Raises NonFastForward, PushRejected and the others."""
    doing = f"failed to push to remote '{url}'"
    target = branch_reference(branch).ref
    async with within(timeout, doing), session(git, url, credentials) as run:
        done = await run.run("push", "--porcelain", "--", str(url), f"HEAD:{target}", cwd=tree)
    if done.status:
        raise translate_push(done.stdout.decode(errors="replace"), done.stderr, doing)
