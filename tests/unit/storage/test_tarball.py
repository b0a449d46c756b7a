"""The format of source-kustomize.md 2.2, and what is refused on the way back."""

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetloop.storage import IgnoreRules, Limits, UnsafeArchive, unpack, write_tarball
from fleetloop.storage.ignore import patterns_of


def packed(tree: Path, ignore: str = "") -> bytes:
    out = io.BytesIO()
    write_tarball(tree, out, IgnoreRules(tuple(patterns_of(ignore))))
    return out.getvalue()


def members(archive: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getmembers()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "b" / "empty").mkdir(parents=True)
    (root / "b" / "run.sh").write_text("#!/bin/sh\n")
    (root / "b" / "run.sh").chmod(0o755)
    (root / "b-1").write_text("x" * 1000)
    (root / "a.yaml").write_text("a: 1\n")
    (root / "link").symlink_to("a.yaml")
    (root / "loop").symlink_to(".")
    os.mkfifo(root / "pipe")
    return root


def test_entries_and_headers(tree: Path) -> None:
    found = members(packed(tree))
    assert [member.name for member in found] == [".", "a.yaml", "b", "b/empty", "b/run.sh", "b-1"]
    assert [oct(member.mode) for member in found] == ["0o750", "0o600", "0o750", "0o750", "0o700", "0o600"]
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in found} == {(0, 0, "", "", 0)}


def test_bytes_of_the_format(tree: Path) -> None:
    archive = packed(tree)
    assert archive[:10] == bytes.fromhex("1f8b08000000000000ff")
    raw = gzip.decompress(archive)
    assert raw[:100].rstrip(b"\0") == b"." and raw[156:157] == b"5" and raw[257:265] == b"ustar\x0000"
    assert b"b/\0" not in raw  # directories have no slash at the end
    assert raw.endswith(bytes(1024)) and len(raw) % 512 == 0


def test_same_content_same_bytes(tree: Path) -> None:
    first = packed(tree)
    os.utime(tree / "a.yaml", (1, 1))
    (tree / "a.yaml").chmod(0o644)
    assert packed(tree) == first
    (tree / "a.yaml").write_text("a: 2\n")
    assert packed(tree) != first


def test_digest_is_pinned(tmp_path: Path) -> None:
    """SK2: The compressor is part of the format: should this ever change, every artifact changes with it."""
    root = tmp_path / "pinned"
    root.mkdir()
    (root / "a.yaml").write_text("a: 1\n" * 1000)
    content = hashlib.sha256(gzip.decompress(packed(root))).hexdigest()
    assert content == "f1ea31f46dafcb6b7bd9457a8832dc0049e30bc64b651310b23ca1ba1ce91bb2"


def test_ignored_directories_and_what_comes_back(tree: Path) -> None:
    assert [m.name for m in members(packed(tree, "b"))] == [".", "a.yaml", "b-1"]
    assert [m.name for m in members(packed(tree, "b\n!b/run.sh"))] == [".", "a.yaml", "b/run.sh", "b-1"]
    assert [m.name for m in members(packed(tree, "*.sh"))] == [".", "a.yaml", "b", "b/empty", "b-1"]


@pytest.mark.parametrize(
    "name", ["d" * 90 + "/" + "f" * 90, "d" * 200 + "/" + "f" * 200, "ü/é.yaml", "x" * 100, "x" * 101, "a/" * 60 + "b"]
)
def test_long_and_foreign_names(tmp_path: Path, name: str) -> None:
    root, back = tmp_path / "in", tmp_path / "out"
    (root / name).parent.mkdir(parents=True)
    (root / name).write_text("content")
    (tmp_path / "x.tar.gz").write_bytes(packed(root))
    assert name in [member.name for member in members(packed(root))]
    listed = subprocess.run(["tar", "tzf", "x.tar.gz"], cwd=tmp_path, capture_output=True, check=True).stdout.decode()
    assert len(listed.splitlines()) == len(members(packed(root)))
    back.mkdir()
    unpack(tmp_path / "x.tar.gz", back)
    assert (back / name).read_text() == "content"


NAME = st.text(st.characters(exclude_characters="/\\\0", codec="utf-8"), min_size=1, max_size=60).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 200
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(NAME, st.binary(max_size=2000), max_size=5))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("trip")
    root, back = folder / "in", folder / "out"
    root.mkdir()
    back.mkdir()
    for name, content in files.items():
        (root / name).write_bytes(content)
    (folder / "x").write_bytes(packed(root))
    unpack(folder / "x", back)
    assert {path.name: path.read_bytes() for path in back.iterdir()} == files


def hostile(fill: Callable[[tarfile.TarFile], None]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        fill(tar)
    return out.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"x") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
    return hostile(lambda tar: tar.addfile(info, io.BytesIO(content)))


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (entry("/etc/x"), "unsafe path"),
        (entry("../x"), "unsafe path"),
        (entry("a/../../x"), "unsafe path"),
        (entry("a\\..\\x"), "unsafe path"),
        (entry("x", tarfile.SYMTYPE, "/etc/passwd"), "neither a file nor a directory"),
        (entry("x", tarfile.LNKTYPE, "y"), "neither a file nor a directory"),
        (entry("x", tarfile.CHRTYPE), "neither a file nor a directory"),
        (entry("x", tarfile.FIFOTYPE), "neither a file nor a directory"),
        (entry("x", content=bytes(5000)), "larger than we accept"),
        (hostile(lambda tar: [tar.addfile(tarfile.TarInfo(str(n))) for n in range(20)] and None), "larger than we accept"),
        (hostile(lambda tar: [tar.addfile(tarfile.TarInfo("x")) for _ in range(2)] and None), "twice"),
        (b"not an archive", "cannot be read"),
        (entry("x", content=os.urandom(900))[:-200], "cannot be read"),
    ],
    ids=str.split("absolute parent inner-parent backslash symlink hard-link device fifo large many twice noise cut"),
)
def test_hostile_archives(tmp_path: Path, archive: bytes, message: str) -> None:
    into = tmp_path / "into"
    into.mkdir()
    (tmp_path / "x").write_bytes(archive)
    with pytest.raises(UnsafeArchive, match=message):
        unpack(tmp_path / "x", into, Limits(total_bytes=4000, entries=10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["into", "x"]


def test_setuid_is_not_kept(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.mode = 0o6755
    (tmp_path / "x.tgz").write_bytes(hostile(lambda tar: tar.addfile(info)))
    unpack(tmp_path / "x.tgz", tmp_path / ".")
    assert (tmp_path / "x").stat().st_mode & 0o7777 == 0o700
