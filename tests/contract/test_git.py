"""Our git tool against real Git servers: what it fetches, commits and pushes, and how it fails."""

import asyncio
import dataclasses
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleetloop import git
from tests.kit.git_server import GitServer, WorkingCopy, git_server
from tests.kit.git_server import git as by_hand

GIT = dataclasses.replace(git.Git.inheriting(os.environ), protocols=("git", "http", "https", "ssh"))
ADA = git.Person("Ada", "ada@example.com")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    async with git_server(tmp_path) as running:
        yield running


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


@pytest.fixture
def copy(server: GitServer) -> WorkingCopy:
    made = server.create("app")
    made.commit("first\n\nbody", {"a.txt": "1\n", "deploy/b.yaml": "b: 1\n", "docs/c.md": "c\n"})
    return made


def url_of(server: GitServer, name: str = "app") -> git.GitUrl:
    return git.GitUrl.parse(server.url(name), GIT.protocols)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


async def test_branch(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    sha = by_hand(copy.folder, "rev-parse", "HEAD")
    found = await git.fetch(url_of(server), git.branch("main"), into, git=GIT)
    assert (found.sha, found.revision, found.subject) == (sha, f"main@sha1:{sha}", "first")
    assert found.committed_at == 1767225600
    assert found.raw.startswith(b"tree ") and not found.raw_tag
    assert names(into) == ["a.txt", "deploy/b.yaml", "docs/c.md"]


async def test_annotated_tag_brings_its_object(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    by_hand(copy.folder, "tag", "-a", "-m", "the one", "v1.0.0")
    copy.push("v1.0.0")
    refs = await git.list_refs(url_of(server), git=GIT)
    found = await git.fetch(url_of(server), git.tag("v1.0.0"), into, git=GIT)
    assert found.raw_tag.startswith(b"object ")
    assert found.revision == f"v1.0.0@sha1:{found.sha}" and git.tag("v1.0.0").find(refs) == found.sha
    assert git.tags_of(refs) == ["v1.0.0"]
    narrow = await git.list_refs(url_of(server), patterns=git.tag("v1.0.0").wildcard(), git=GIT)
    assert set(narrow) == {"refs/tags/v1.0.0", "refs/tags/v1.0.0^{}"}


async def test_youngest_of_equal_versions(server: GitServer, copy: WorkingCopy) -> None:
    """Build metadata does not order versions; the time of the commits does (source-kustomize.md 3.1)."""
    for name, at in (("1.0.0+a", "2026-02-01"), ("1.0.0+b", "2026-03-01"), ("1.0.0+c", "2026-01-01")):
        by_hand(copy.folder, "commit", "-q", "--allow-empty", "-m", name, at=f"{at}T00:00:00Z")
        by_hand(copy.folder, "tag", "-a", "-m", name, name, at="2026-04-01T00:00:00Z")
        copy.push(name)
    tags = [git.tag(name) for name in ("1.0.0+a", "1.0.0+b", "1.0.0+c")]
    assert await git.newest_of(url_of(server), tags, git=GIT) == git.tag("1.0.0+b")


async def test_any_ref_by_name(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    """A pull request's head is on no branch; its ref itself is fetched (source-kustomize.md 3.1)."""
    by_hand(copy.folder, "checkout", "-q", "--detach")
    copy.write({"pr.txt": "p"})
    by_hand(copy.folder, "add", "-A")
    by_hand(copy.folder, "commit", "-q", "-m", "pull")
    copy.push("HEAD:refs/pull/1/head")
    found = await git.fetch(url_of(server), git.named("refs/pull/1/head"), into, git=GIT)
    assert found.revision == f"refs/pull/1/head@sha1:{found.sha}"
    assert "pr.txt" in names(into)


async def test_older_commit(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    first = by_hand(copy.folder, "rev-parse", "HEAD")
    copy.commit("second", {"a.txt": "2\n"})
    found = await git.fetch(url_of(server), git.commit(first), into, git=GIT)
    assert (found.revision, (into / "a.txt").read_text()) == (f"sha1:{first}", "1\n")


async def test_unknown_commit(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    with pytest.raises(git.ReferenceNotFound, match="unable to resolve commit object for 'ffff"):
        await git.fetch(url_of(server), git.commit("f" * 40, "main"), into, git=GIT)


async def test_missing_branch_has_the_contracts_words(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    with pytest.raises(git.ReferenceNotFound) as caught:
        await git.fetch(url_of(server), git.branch("nope"), into, git=GIT)
    assert str(caught.value) == f"unable to clone '{server.url('app')}': couldn't find remote ref \"refs/heads/nope\""


async def test_empty_and_missing_repository(server: GitServer, into: Path) -> None:
    server.create("empty")
    assert await git.list_refs(url_of(server, "empty"), git=GIT) == {}
    with pytest.raises(git.EmptyRepository, match="git repository is empty"):
        await git.fetch(url_of(server, "empty"), git.branch("main"), into, git=GIT)
    with pytest.raises(git.GitError, match="unable to list remote for 'git://"):
        await git.list_refs(url_of(server, "nothing"), git=GIT)


async def test_sha256_repository(server: GitServer, into: Path) -> None:
    sha = server.create("new", "sha256").commit("x", {"a": "a"})
    found = await git.fetch(url_of(server, "new"), git.branch("main"), into, git=GIT)
    assert found.revision == f"main@sha256:{sha}"


async def test_sparse_checkout(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    await git.fetch(url_of(server), git.branch("main"), into, options=git.FetchOptions(sparse=("deploy",)), git=GIT)
    assert names(into) == ["deploy/b.yaml"]
    with pytest.raises(git.SparsePathMissing, match="sparse checkout dir 'gone' does not exist in repository"):
        await git.fetch(url_of(server), git.branch("main"), into, options=git.FetchOptions(sparse=("gone",)), git=GIT)


async def test_submodules(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    server.create("library").commit("lib", {"lib.txt": "l"})
    (copy.folder / ".gitmodules").write_text('[submodule "lib"]\n\tpath = lib\n\turl = ../library.git\n')
    pin = by_hand(server.root / "library.git", "rev-parse", "main")
    by_hand(copy.folder, "update-index", "--add", "--cacheinfo", f"160000,{pin},lib")
    by_hand(copy.folder, "add", ".gitmodules")
    by_hand(copy.folder, "commit", "-q", "-m", "sub")
    copy.push()
    await git.fetch(url_of(server), git.branch("main"), into, git=GIT)
    assert "lib/lib.txt" not in names(into)
    again = into.with_name("again")
    again.mkdir()
    await git.fetch(url_of(server), git.branch("main"), again, options=git.FetchOptions(submodules=True), git=GIT)
    assert (again / "lib/lib.txt").read_text() == "l"
    assert "lib/.git" not in names(again)


async def test_submodule_of_a_forbidden_protocol(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    (copy.folder / ".gitmodules").write_text(f'[submodule "lib"]\n\tpath = lib\n\turl = file://{copy.bare}\n')
    by_hand(copy.folder, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    by_hand(copy.folder, "add", ".gitmodules")
    by_hand(copy.folder, "commit", "-q", "-m", "sub")
    copy.push()
    with pytest.raises(git.GitError, match="transport 'file' not allowed"):
        await git.fetch(url_of(server), git.branch("main"), into, options=git.FetchOptions(submodules=True), git=GIT)


async def test_blobs_are_verbatim(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    """CRLF and identifiers stay as in the blob, whatever the tree's .gitattributes ask (SK9)."""
    copy.commit("crlf", {"win.txt": b"a\nb $Id$\n"})
    copy.commit("attributes", {".gitattributes": "*.txt text eol=crlf ident\n"})
    await git.fetch(url_of(server), git.branch("main"), into, git=GIT)
    assert (into / "win.txt").read_bytes() == b"a\nb $Id$\n"


async def test_tree_bomb_is_refused(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    small = dataclasses.replace(GIT, max_tree_files=2)
    with pytest.raises(git.RepositoryTooLarge, match="3 files of"):
        await git.fetch(url_of(server), git.branch("main"), into, git=small)
    assert names(into) == []


async def test_a_deep_tree_is_refused(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    """Whoever walks it later would end at Python's recursion limit."""
    copy.commit("deep", {"a/" * 100 + "x": "x"})
    with pytest.raises(git.RepositoryTooLarge, match=r"the path 'a/a/.*' has more than 100 levels"):
        await git.fetch(url_of(server), git.branch("main"), into, git=GIT)
    assert names(into) == []


async def test_large_pack_is_refused(server: GitServer, copy: WorkingCopy, into: Path) -> None:
    copy.commit("noise", {"noise": os.urandom(300_000)})
    with pytest.raises(git.RepositoryTooLarge):
        await git.fetch(url_of(server), git.branch("main"), into, git=dataclasses.replace(GIT, max_pack_bytes=100_000))


async def test_silent_server_times_out_and_leaves_no_process(into: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = git.GitUrl.parse(f"git://127.0.0.1:{silent.getsockname()[1]}/x", GIT.protocols)
        with pytest.raises(git.GitTimeout, match=r"no answer within 0\.5s"):
            await git.list_refs(url, timeout=0.5, git=GIT)
        connection, _ = silent.accept()
        connection.settimeout(5)
        while connection.recv(1000):  # ends only when the child's end is closed
            pass
        connection.close()


async def test_unreachable() -> None:
    with pytest.raises(git.GitUnreachable, match="connection refused"):
        await git.list_refs(git.GitUrl.parse("http://127.0.0.1:1/x"), git=GIT)


async def test_clone_commit_push(server: GitServer, copy: WorkingCopy, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    head = await git.clone(url_of(server), "main", tree, git=GIT)
    assert head == by_hand(copy.folder, "rev-parse", "HEAD")
    assert await git.commit_all(tree, "nothing", ADA, git=GIT) is None
    (tree / "new.yaml").write_text("n: 1\n")
    sha = await git.commit_all(tree, "Add it", git.Person("Flux"), at=1767225600, git=GIT)
    await git.push(tree, url_of(server), "main", git=GIT)
    assert by_hand(copy.bare, "rev-parse", "main") == sha
    assert by_hand(copy.bare, "log", "-1", "--format=%an <%ae> %ct %s", "main") == "Flux <> 1767225600 Add it"
    assert await git.commit_all(tree, "nothing", ADA, git=GIT) is None


async def test_clone_of_an_empty_remote(server: GitServer, tmp_path: Path) -> None:
    bare, tree = server.create("empty").bare, tmp_path / "tree"
    assert await git.clone(url_of(server, "empty"), "fleet", tree, git=GIT) == ""
    assert await git.commit_all(tree, "nothing", ADA, git=GIT) is None
    (tree / "a").write_text("a")
    sha = await git.commit_all(tree, "root", ADA, git=GIT)
    await git.push(tree, url_of(server, "empty"), "fleet", git=GIT)
    assert by_hand(bare, "rev-parse", "fleet") == sha


async def test_clone_missing_branch(server: GitServer, copy: WorkingCopy, tmp_path: Path) -> None:
    with pytest.raises(git.ReferenceNotFound, match='couldn\'t find remote ref "refs/heads/nope"'):
        await git.clone(url_of(server), "nope", tmp_path / "tree", git=GIT)


async def test_ignored_files_are_not_committed_BS28(server: GitServer, copy: WorkingCopy, tmp_path: Path) -> None:  # noqa: N802
    copy.commit("ignore", {".gitignore": "*.yaml\n"})
    tree = tmp_path / "tree"
    await git.clone(url_of(server), "main", tree, git=GIT)
    (tree / "hidden.yaml").write_text("x")
    assert await git.commit_all(tree, "nothing", ADA, git=GIT) is None


async def test_push_behind(server: GitServer, copy: WorkingCopy, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    await git.clone(url_of(server), "main", tree, git=GIT)
    copy.commit("faster", {"a.txt": "3"})
    (tree / "a.txt").write_text("4")
    await git.commit_all(tree, "slower", ADA, git=GIT)
    with pytest.raises(git.NonFastForward, match="fetch first"):
        await git.push(tree, url_of(server), "main", git=GIT)


async def test_push_refused_by_a_hook(server: GitServer, copy: WorkingCopy, tmp_path: Path) -> None:
    hook = copy.bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho not on my watch >&2\nexit 1\n")
    hook.chmod(0o755)
    tree = tmp_path / "tree"
    await git.clone(url_of(server), "main", tree, git=GIT)
    (tree / "a.txt").write_text("4")
    await git.commit_all(tree, "x", ADA, git=GIT)
    with pytest.raises(git.PushRejected, match="pre-receive hook declined") as caught:
        await git.push(tree, url_of(server), "main", git=GIT)
    assert not isinstance(caught.value, git.NonFastForward)


async def test_concurrent_fetches(server: GitServer, copy: WorkingCopy, tmp_path: Path) -> None:
    folders = [tmp_path / f"into-{number}" for number in range(8)]
    for folder in folders:
        folder.mkdir()
    async with asyncio.TaskGroup() as tasks:
        for folder in folders:
            tasks.create_task(git.fetch(url_of(server), git.branch("main"), folder, git=GIT))
    assert all(names(folder) == names(folders[0]) for folder in folders)
