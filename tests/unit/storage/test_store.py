import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from fleetloop.storage import ArtifactStore, DigestMismatch, NotStored, Stored, UnsafePath, UnsupportedDigest, garbage
from fleetloop.storage.store import ArtifactLocked, Retention

NOW = 1000.0


def writing(content: bytes) -> Callable[[BinaryIO], None]:
    def fill(out: BinaryIO) -> None:
        out.write(content)

    return fill


def kept(ages: dict[str, float], current: str, ttl: float = 60, keep: int = 2) -> set[str]:
    files = [Stored(name, NOW - age, 1) for name, age in ages.items()]
    return set(ages) - set(garbage(files, current, NOW, Retention(ttl, keep)))


@pytest.mark.parametrize(
    ("ages", "current", "expected"),
    [
        ({"a": 0}, "a", {"a"}),
        ({"a": 99}, "a", {"a"}),  # never the current one
        ({"a": 1, "b": 2}, "a", {"a", "b"}),
        ({"a": 1, "b": 2, "c": 3}, "a", {"a", "b"}),  # the records, newest first
        ({"a": 1, "b": 61}, "a", {"a"}),  # too old
        ({"a": 1, "b": 2, "c": 3}, "c", {"c", "a"}),  # the current one counts, though it is the oldest
        ({"a": 1, "b": 2}, "", {"a", "b"}),
    ],
)
def test_garbage(ages: dict[str, float], current: str, expected: set[str]) -> None:
    """SK6: garbage."""
    assert kept(ages, current) == expected


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "data")


def put(store: ArtifactStore, path: str, content: bytes = b"content") -> Stored:
    return store.write(path, lambda out: out.write(content) and None)


def test_write_verify(store: ArtifactStore) -> None:
    stored = put(store, "gitrepository/ns/app/1.tar.gz")
    digest = "sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert (stored.path, stored.size, stored.digest) == ("gitrepository/ns/app/1.tar.gz", 7, digest)
    store.verify(stored.path, digest)
    file = store.root / stored.path
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"Content")
    with pytest.raises(DigestMismatch):
        store.verify(stored.path, digest)
    store.remove(stored.path)
    with pytest.raises(NotStored):
        store.verify(stored.path, digest)


def test_a_failed_write_leaves_nothing(store: ArtifactStore) -> None:
    def fail(out: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        store.write("gitrepository/ns/app/1", fail)
    assert list((store.root / "gitrepository/ns/app").iterdir()) == []


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_each_digest_verifies_by_its_prefix(tmp_path: Path, algorithm: str) -> None:
    stored = put(ArtifactStore(tmp_path, algorithm), "a/b/c/d")
    assert stored.digest.startswith(algorithm + ":")
    ArtifactStore(tmp_path).verify(stored.path, stored.digest)


@pytest.mark.parametrize("digest", ["blake3:00", "sha256:00", "sha256:" + "G" * 64, "md5:" + "0" * 32, "x"])
def test_unsupported_digests(store: ArtifactStore, digest: str) -> None:
    put(store, "a/b/c/d")
    with pytest.raises(UnsupportedDigest):
        store.verify("a/b/c/d", digest)


@pytest.mark.parametrize(
    ("algorithm", "abc"),
    [
        ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("sha384", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"),
        (
            "sha512",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        ("blake3", "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
    ],
)
def test_each_algorithm(tmp_path: Path, algorithm: str, abc: str) -> None:
    """Published digests of `abc`; a stored one verifies by its prefix, whatever is written today."""
    stored = ArtifactStore(tmp_path, algorithm).write("a/b/c/d", writing(b"abc"))
    assert stored.digest == f"{algorithm}:{abc}"
    ArtifactStore(tmp_path, "sha256").verify(stored.path, stored.digest)


def test_two_processes_on_one_volume(tmp_path: Path) -> None:
    """The lock beside the file is the peer's: flock on `<file>.lock`."""
    store = ArtifactStore(tmp_path)
    store.make_folder("a/b/c")
    with (tmp_path / "a/b/c/d.lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ArtifactLocked):
            store.write("a/b/c/d", writing(b"2"))
    store.write("a/b/c/d", writing(b"3"))
    assert (tmp_path / "a/b/c/d").read_bytes() == b"3" and len(list((tmp_path / "a/b/c").iterdir())) == 1


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_paths_stay_inside(store: ArtifactStore, path: str) -> None:
    for act in (
        lambda: put(store, path),
        lambda: store.remove(path),
        lambda: store.remove_folder(path),
        lambda: store.find(path),
    ):
        with pytest.raises(UnsafePath):
            act()


@pytest.mark.parametrize("folder", ["", ".", "gitrepository", "gitrepository/ns", "a/b/c/d"])
def test_only_one_objects_folder_is_removed(store: ArtifactStore, folder: str) -> None:
    with pytest.raises(UnsafePath):
        store.remove_folder(folder)


def test_collect_and_link(store: ArtifactStore) -> None:
    folder = "gitrepository/ns/app"
    for name in "abc":
        put(store, f"{folder}/{name}.tar.gz")
    put(store, f"{folder}/a.tar.gz.lock")
    assert store.link(f"{folder}/c.tar.gz") == f"{folder}/latest.tar.gz"
    current = f"{folder}/c.tar.gz"
    now = (store.root / current).stat().st_mtime + 100
    assert sorted(store.collect(folder, current, now, Retention(ttl=60, records=2))) == [
        f"{folder}/a.tar.gz",
        f"{folder}/b.tar.gz",
    ]
    assert sorted(p.name for p in (store.root / folder).iterdir()) == ["c.tar.gz", "latest.tar.gz"]
    store.link(f"{folder}/c.tar.gz")
    assert (store.root / folder / "latest.tar.gz").read_bytes() == b"content"
    store.remove_folder(folder)
    store.remove_folder(folder)
    assert not (store.root / folder).exists()


def test_what_died_is_cleared(store: ArtifactStore) -> None:
    put(store, "a/b/c/d")
    left = store.root / "a/b/c/.new-123"
    left.write_text("half")
    assert store.free(left.stat().st_mtime + 1) == ["a/b/c/.new-123"]
    assert store.find("a/b/c/d")
