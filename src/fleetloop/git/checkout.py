"""A work tree of one commit, without history, that is changed and pushed: for image updates. `worktree.commit_all` commits.

Blobs lie there byte for byte, whatever the tree's .gitattributes say, and go back so.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleetloop.git.address import GitUrl
from fleetloop.git.commit import Commit, commit_of
from fleetloop.git.credentials import ANONYMOUS, Credentials
from fleetloop.git.errors import translate, translate_push
from fleetloop.git.fetch import TARGET, check_size, fetch_target
from fleetloop.git.program import PLAIN_GIT, Git, Session, session, within
from fleetloop.git.reference import Reference
from fleetloop.git.reference import branch as branch_reference


@dataclass(frozen=True, slots=True)
class CheckoutOptions:
    """`shallow`: the commit alone, else all that is before it. `directory`: only what is below it, "" for the whole tree."""

    shallow: bool = True
    directory: str = ""


@dataclass(frozen=True, slots=True)
class PushOptions:
    """`options` go to the server as they are. `leases`: refs that may be overwritten while they are at that commit ("": while
    they are not there). `forced`: whatever is there is overwritten."""

    options: Mapping[str, str] = field(default_factory=dict)
    leases: Mapping[str, str] = field(default_factory=dict)
    forced: bool = False


async def check_out(
    url: GitUrl,
    reference: Reference,
    into: Path,
    branch: str,
    credentials: Credentials = ANONYMOUS,
    *,
    options: CheckoutOptions,
    timeout: float = 60.0,
    git: Git = PLAIN_GIT,
) -> Commit:
    """The tree of `reference` in the empty folder `into`, its repository below `.git`, on a local branch of that name.

    Raises the errors of this package.
    """
    doing = f"unable to clone '{url}'"
    async with within(timeout, doing), session(git, url, credentials) as bare:
        run = bare.at(git_dir=into / ".git", work_tree=into)
        await fetch_target(bare, run, url, reference)
        commit = commit_of(await run.read("cat-file", "--batch", stdin=f"{TARGET}\n{TARGET}^{{commit}}\n".encode()), reference)
        directories = (options.directory,) if options.directory else ()
        await check_size(run, commit.sha, directories, doing)
        if not options.shallow:
            await _deepen(run, url, reference, doing)
        await run.read("symbolic-ref", "HEAD", branch_reference(branch).ref)
        await run.read("update-ref", "HEAD", commit.sha)
        await run.read("config", "core.bare", "false")
        await _narrow(run, into, options.directory)
        await run.read("read-tree", "--reset", "-u", commit.sha, cwd=into)
        return commit


async def _deepen(run: Session, url: GitUrl, reference: Reference, doing: str) -> None:
    if (await run.read("rev-parse", "--is-shallow-repository")).strip() != b"true":
        return
    wanted = reference.ref or reference.commit
    done = await run.run("fetch", "--quiet", "--no-tags", "--unshallow", "--", str(url), wanted)
    if done.status:
        raise translate(done.stderr, doing)


async def _narrow(run: Session, into: Path, directory: str) -> None:
    """By git's own sparse index; without a directory the whole tree."""
    if directory:
        await asyncio.to_thread(into.mkdir, parents=True, exist_ok=True)
        await run.read("sparse-checkout", "set", "--cone", "--stdin", cwd=into, stdin=f"{directory}\n".encode())


@dataclass(frozen=True, slots=True)
class BranchContent:
    """What a branch has beyond another: the e-mail addresses of its commits' authors, and tree and parents of the last one."""

    authors: frozenset[str]
    last: bytes


async def content_beyond(
    url: GitUrl,
    branch: str,
    other: str,
    credentials: Credentials = ANONYMOUS,
    *,
    timeout: float = 60.0,
    git: Git = PLAIN_GIT,
) -> BranchContent:
    """Of two branches of the remote, from their commits alone; nothing when the first is part of the second.

    Raises the errors of this package.
    """
    doing = f"unable to fetch '{url}'"
    wanted, excluded = branch_reference(branch).ref, branch_reference(other).ref
    async with within(timeout, doing), session(git, url, credentials) as bare:
        run = bare.at(git_dir=bare.home / "repository.git", work_tree=bare.home)
        await bare.read("init", "--quiet", "--bare", str(bare.home / "repository.git"))
        options = ("--quiet", "--no-tags", f"--shallow-exclude={excluded}", "--filter=tree:0")
        done = await run.run("fetch", *options, "--", str(url), f"+{wanted}:{TARGET}")
        if done.status and "no commits selected" in done.stderr:
            return BranchContent(frozenset(), b"")
        if done.status:
            raise translate(done.stderr, doing)
        authors = (await run.read("log", "--format=%ae", TARGET)).decode(errors="replace").splitlines()
        return BranchContent(frozenset(authors), _content_of(await run.read("cat-file", "commit", TARGET)))


async def head_content(tree: Path, *, git: Git = PLAIN_GIT) -> bytes:
    """Tree and parents of the current commit, to compare with `BranchContent.last`."""
    async with session(git) as run:
        return _content_of(await run.read("cat-file", "commit", "HEAD", cwd=tree))


def _content_of(raw: bytes) -> bytes:
    return raw.partition(b"\nauthor ")[0]


async def push_refs(
    tree: Path,
    url: GitUrl,
    refspecs: Sequence[str],
    credentials: Credentials = ANONYMOUS,
    *,
    options: PushOptions,
    timeout: float = 300.0,
    git: Git = PLAIN_GIT,
) -> None:
    """All or, where the server can, none. Raises NonFastForward (also for a lease that no longer holds), PushRejected, others."""
    doing = f"failed to push to remote '{url}'"
    said = [f"--push-option={name}={value}" if value else f"--push-option={name}" for name, value in options.options.items()]
    leases = [f"--force-with-lease={ref}:{sha}" for ref, sha in options.leases.items()]
    force = ["--force"] if options.forced else []
    async with within(timeout, doing), session(git, url, credentials) as run:
        done = await run.run("push", "--porcelain", *said, *leases, *force, "--", str(url), *refspecs, cwd=tree)
    if done.status:
        raise translate_push(done.stdout.decode(errors="replace"), done.stderr, doing)
