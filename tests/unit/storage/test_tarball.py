"""The format of source-kustomize.md 2.2, and what is refused on the way back."""

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetloop.storage import IgnoreRules, Limits, UnsafeArchive, unpack, write_tarball
from fleetloop.storage.ignore import patterns_of
from fleetloop.storage.tarball import unpack_regular


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


def raw(*members: tuple[bytes, int, bytes]) -> bytes:
    """Headers that claim what they like: type, size and the bytes that follow."""
    out = b""
    for kind, size, body in members:
        info = tarfile.TarInfo(f"x{kind.decode()}")
        info.type, info.size = kind, size
        out += info.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)
    return gzip.compress(out + bytes(1024), 1)


def extended(headers: dict[str, str], kind: bytes = tarfile.REGTYPE, content: bytes = b"") -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size, info.pax_headers = kind, len(content), headers
    return hostile(lambda tar: tar.addfile(info, io.BytesIO(content)))


SPARSE = {"GNU.sparse.major": "0", "GNU.sparse.size": "1", "GNU.sparse.map": "0,0"}
LONG_NAME, EXTENDED, GLOBAL = tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE
EMPTY_FILE, FOLDER = (tarfile.REGTYPE, 0, b""), (tarfile.DIRTYPE, 0, b"")


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
        (entry("a/" * 100 + "x"), "more than 100 levels"),
        (entry("x", content=bytes(5000)), "larger than we accept"),
        (hostile(lambda tar: [tar.addfile(tarfile.TarInfo(str(n))) for n in range(20)] and None), "larger than we accept"),
        (hostile(lambda tar: [tar.addfile(tarfile.TarInfo("x")) for _ in range(2)] and None), "twice"),
        (b"not an archive", "cannot be read"),
        (entry("x", content=os.urandom(900))[:-200], "cannot be read"),
    ],
    ids=str.split("absolute parent inner-parent backslash symlink hard-link device fifo deep large many twice noise cut"),
)
def test_hostile_archives(tmp_path: Path, archive: bytes, message: str) -> None:
    into = tmp_path / "into"
    into.mkdir()
    (tmp_path / "x").write_bytes(archive)
    with pytest.raises(UnsafeArchive, match=message):
        unpack(tmp_path / "x", into, Limits(total_bytes=4000, entries=10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["into", "x"]


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (raw((LONG_NAME, 32 << 20, b"a" * (32 << 20)), EMPTY_FILE), "headers larger than"),
        (raw((LONG_NAME, 1 << 62, b"a" * (1 << 20)), EMPTY_FILE), "headers larger than"),
        (raw((tarfile.GNUTYPE_LONGLINK, 1 << 20, b"a" * (1 << 20)), EMPTY_FILE), "headers larger than"),
        (raw((EXTENDED, 1 << 20, b"1048576 comment=" + b"a" * (1 << 20)), EMPTY_FILE), "headers larger than"),
        (raw((GLOBAL, 1 << 20, b"1048576 comment=" + b"a" * (1 << 20)), EMPTY_FILE), "headers larger than"),
        (raw(*[(LONG_NAME, 0, b"")] * 5000, EMPTY_FILE), "headers larger than"),
        (
            raw((tarfile.REGTYPE, 900_000, bytes(900_000)), *[(GLOBAL, 60_000, b"a" * 60_000), FOLDER] * 5),
            "larger than we accept",
        ),
        (extended({"GNU.sparse.realsize": "-1000000"} | SPARSE), "whose size is not that"),
        (extended({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, content=b"1000000\n" + b"0\n" * 500_000), "headers larger"),
        (extended({"GNU.sparse.size": "much"}), "cannot be read"),
        (extended({"size": "-1"}), "whose size is not that"),
        (raw((tarfile.REGTYPE, -512, b""), EMPTY_FILE), "whose size is not that"),
        (raw((tarfile.GNUTYPE_SPARSE, 0, b"")), "whose size is not that"),
        (entry("a/" * 20 + "x"), "larger than we accept"),
        (entry("a/" * 20 + "x", tarfile.DIRTYPE), "larger than we accept"),
    ],
    ids=str.split(
        "long-name huge-name long-link extension global chain many-globals sparse-size sparse-map no-number pax-size size"
        " old-sparse parents parents-of-folder"
    ),
)
@pytest.mark.parametrize("unpacked", [unpack, unpack_regular])
def test_headers_that_lie(tmp_path: Path, unpacked: Callable[..., None], archive: bytes, message: str) -> None:
    """Neither memory nor limits depend on what a header says of itself."""
    (tmp_path / "x").write_bytes(archive)
    (tmp_path / "into").mkdir()
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeArchive, match=message):
            unpacked(tmp_path / "x", tmp_path / "into", Limits(total_bytes=1 << 20, entries=10))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20  # a file goes through in pieces of 1 MiB
    finally:
        tracemalloc.stop()


def test_setuid_is_not_kept(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.mode = 0o6755
    (tmp_path / "x.tgz").write_bytes(hostile(lambda tar: tar.addfile(info)))
    unpack(tmp_path / "x.tgz", tmp_path / ".")
    assert (tmp_path / "x").stat().st_mode & 0o7777 == 0o700
