"""Reading a remote repository: its refs, and the tree of one commit in a folder without a `.git`."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetloop.git.address import GitUrl
from fleetloop.git.commit import Commit, commit_of
from fleetloop.git.credentials import ANONYMOUS, Credentials
from fleetloop.git.errors import EmptyRepository, GitError, ReferenceNotFound, RepositoryTooLarge, SparsePathMissing, translate
from fleetloop.git.program import PLAIN_GIT, Finished, Git, Session, session, within
from fleetloop.git.reference import Reference, refs_of
from fleetloop.removal import remove_tree

TARGET = "refs/fleetloop/target"
# The highest-ranking attributes file: the tree's own .gitattributes must not rewrite a blob on its way out.
_VERBATIM = "* -text -eol -ident -filter -working-tree-encoding -export-subst\n"
_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """`sparse`: only these directories, each must exist. `submodules`: theirs too, with the same server's credentials."""

    submodules: bool = False
    sparse: tuple[str, ...] = ()


WHOLE_TREE = FetchOptions()


async def list_refs(
    url: GitUrl,
    credentials: Credentials = ANONYMOUS,
    *,
    patterns: tuple[str, ...] = (),
    timeout: float = 60.0,
    git: Git = PLAIN_GIT,
) -> dict[str, str]:
    """Ref name -> hash, with `HEAD` and, for annotated tags, `<ref>^{}`. Empty for an empty repository.

    `patterns` narrows the answer on the server's side (see `Reference.wildcard`). Raises the errors of this package.
    """
    doing = f"unable to list remote for '{url}'"
    async with within(timeout, doing), session(git, url, credentials) as run:
        done = await run.run("ls-remote", "--", str(url), *patterns)
    if done.status:
        raise translate(done.stderr, doing)
    return refs_of(done.stdout)


async def fetch(
    url: GitUrl,
    reference: Reference,
    into: Path,
    credentials: Credentials = ANONYMOUS,
    *,
    options: FetchOptions = WHOLE_TREE,
    timeout: float = 60.0,
    git: Git = PLAIN_GIT,
) -> Commit:
    """Puts the tree of `reference` into the folder `into`, which is empty or not there yet. Raises the errors of this package."""
    doing = f"unable to clone '{url}'"
    async with within(timeout, doing), session(git, url, credentials) as bare:
        run = bare.at(git_dir=bare.home / "repository.git", work_tree=into)
        await fetch_target(bare, run, url, reference)
        objects = await run.read("cat-file", "--batch", stdin=f"{TARGET}\n{TARGET}^{{commit}}\n".encode())
        commit = commit_of(objects, reference)
        await asyncio.to_thread(into.mkdir, parents=True, exist_ok=True)
        await _check_sparse(run, commit.sha, options.sparse)
        await check_size(run, commit.sha, options.sparse, doing)
        if options.sparse:
            await run.read("checkout", "--quiet", "--force", commit.sha, "--", *options.sparse, cwd=into)
        else:
            await run.read("read-tree", "--reset", "-u", commit.sha, cwd=into)
        if options.submodules:
            await _check_out_submodules(run, url, into, doing)
        return commit


async def newest_of(
    url: GitUrl,
    references: Sequence[Reference],
    credentials: Credentials = ANONYMOUS,
    *,
    timeout: float = 60.0,
    git: Git = PLAIN_GIT,
) -> Reference:
    """The reference whose commit is the youngest; commits alone are fetched. Raises the errors of this package."""
    doing = f"unable to clone '{url}'"
    targets = {f"{TARGET}-{number}": reference for number, reference in enumerate(references)}
    async with within(timeout, doing), session(git, url, credentials) as bare:
        run = bare.at(git_dir=bare.home / "repository.git", work_tree=bare.home)
        await bare.read("init", "--quiet", "--bare", str(bare.home / "repository.git"))
        refspecs = [f"+{reference.ref}:{target}" for target, reference in targets.items()]
        done = await run.run(*_FETCH, "--depth=1", "--filter=tree:0", "--", str(url), *refspecs)
        if done.status:
            raise translate(done.stderr, doing)
        times = {}
        for target, reference in targets.items():
            objects = await run.read("cat-file", "--batch", stdin=f"{target}\n{target}^{{commit}}\n".encode())
            times[reference] = commit_of(objects, reference).committed_at
    return max(references, key=times.__getitem__)


async def fetch_target(bare: Session, run: Session, url: GitUrl, reference: Reference) -> None:
    """Brings the wanted object as `TARGET` into the repository of `run`, alone where the server allows that."""
    doing = f"unable to clone '{url}'"
    done = await _fetch_alone(bare, run, url, reference, "sha256" if len(reference.commit) == 64 else "sha1")
    if done.status and "mismatched algorithms" in done.stderr:
        done = await _fetch_alone(bare, run, url, reference, "sha256")
    error = translate(done.stderr, doing) if done.status else None
    if isinstance(error, ReferenceNotFound) and reference.commit:
        error = await _fetch_history(run, url, reference, doing)
    if isinstance(error, ReferenceNotFound) and not (await run.read("ls-remote", "--", str(url))):
        raise EmptyRepository("git repository is empty")
    if error:
        raise error


async def _fetch_alone(bare: Session, run: Session, url: GitUrl, reference: Reference, object_format: str) -> Finished:
    git_dir = Path(run.environment["GIT_DIR"])
    await asyncio.to_thread(remove_tree, git_dir)
    await bare.read("init", "--quiet", "--bare", f"--object-format={object_format}", str(git_dir))
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info" / "attributes").write_text(_VERBATIM)
    wanted = reference.commit or reference.ref
    return await run.run(*_FETCH, "--depth=1", "--", str(url), f"+{wanted}:{TARGET}")


async def _fetch_history(run: Session, url: GitUrl, reference: Reference, doing: str) -> GitError | None:
    """For a server that gives no commit by its hash: everything the commit may be on."""
    heads = f"+{reference.ref}:{reference.ref}" if reference.ref else "+refs/heads/*:refs/heads/*"
    done = await run.run(*_FETCH, "--", str(url), heads)
    if done.status:
        return translate(done.stderr, doing)
    found = await run.run("update-ref", TARGET, f"{reference.commit}^{{commit}}")
    if found.status:
        return ReferenceNotFound(f"{doing}: unable to resolve commit object for '{reference.commit}'")
    return None


async def _check_sparse(run: Session, sha: str, directories: tuple[str, ...]) -> None:
    if not directories:
        return
    asked = "".join(f"{sha}:{directory}\n" for directory in directories)
    answers = (await run.read("cat-file", "--batch-check", stdin=asked.encode())).decode(errors="replace").splitlines()
    for directory, answer in zip(directories, answers, strict=False):
        if " tree " not in answer:
            raise SparsePathMissing(f"sparse checkout dir '{directory}' does not exist in repository")


async def check_size(run: Session, sha: str, directories: tuple[str, ...], doing: str) -> None:
    """Before anything is written: a few kilobytes of trees can stand for more files than a disk holds."""
    listing = await run.read("ls-tree", "-r", "-l", "-z", "--full-tree", sha, *directories)
    entries = [entry.partition(b"\t")[::2] for entry in listing.split(b"\0") if entry]
    for _, path in entries:
        if path.count(b"/") >= run.git.max_tree_levels:
            shown = path[:200].decode(errors="replace")
            raise RepositoryTooLarge(f"{doing}: the path '{shown}' has more than {run.git.max_tree_levels} levels")
    sizes = [int(size) for size in (about.split()[3] for about, _ in entries) if size != b"-"]
    if len(sizes) > run.git.max_tree_files or sum(sizes) > run.git.max_tree_bytes:
        raise RepositoryTooLarge(
            f"{doing}: {len(sizes)} files of {sum(sizes)} bytes are more than we accept"
            f" ({run.git.max_tree_files} files, {run.git.max_tree_bytes} bytes)"
        )


async def _check_out_submodules(run: Session, url: GitUrl, into: Path, doing: str) -> None:
    if not (into / ".gitmodules").is_file():
        return
    await run.read("config", "remote.origin.url", str(url))  # relative addresses start there
    done = await run.run("submodule", "--quiet", "update", "--init", "--recursive", "--depth=1", cwd=into)
    if done.status:
        raise translate(done.stderr, f"{doing}: submodules")
    await asyncio.to_thread(_remove_links, into)


def _remove_links(tree: Path) -> None:
    """The `.git` files that tie submodules to a repository which is about to vanish."""
    for link in tree.rglob(".git"):
        if link.is_file() and not link.is_symlink():
            link.unlink()
