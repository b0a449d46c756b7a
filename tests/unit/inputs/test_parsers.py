"""Whatever a tenant writes, our parsers answer with a value or with their own error; nothing else, and nothing endless."""

import contextlib
import gzip
import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleetloop import git
from fleetloop.api.durations import InvalidDuration, duration_text, seconds_of
from fleetloop.api.revisions import revision_of
from fleetloop.auth import InvalidSecret, git_access, proxy_access
from fleetloop.kube import BadConnection, ObjectRef, from_foreign_document
from fleetloop.kube.inventory import id_of, ref_from
from fleetloop.storage import UnsafeArchive, unpack
from fleetloop.storage.digest import UnsupportedDigest, algorithm_of
from fleetloop.storage.ignore import IgnoreRules, patterns_of
from fleetloop.storage.tarball import Limits

TEXT = st.text(max_size=60)
NAME = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.just("https://x") | st.just("x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(TEXT | st.from_regex(r"[+-]?([0-9.]{1,25}(h|m|s|ms|us|ns|d)?){1,4}", fullmatch=True))
@example("9" * 5000 + "h")
@example("٣s")
def test_durations(text: str) -> None:
    """CVE-2022-39272."""
    try:
        seconds = seconds_of(text)
    except InvalidDuration as error:
        assert len(str(error)) < 300
        return
    assert abs(seconds) < 2**63 / 1e9 + 1
    assert seconds_of(duration_text(seconds)) == pytest.approx(seconds, abs=1e-6, rel=1e-9)


@given(TEXT | st.from_regex(r"[a-z/]{0,5}@?[a-z0-9]{0,6}:?[0-9a-f]{0,64}", fullmatch=True))
def test_revisions(text: str) -> None:
    revision = revision_of(text)
    assert revision_of(str(revision)) == revision or not revision.hex


@given(TEXT, TEXT)
def test_inventory_ids_of_others(entry_id: str, version: str) -> None:
    with contextlib.suppress(ValueError):
        ref_from(entry_id, version)


@given(NAME, NAME, st.sampled_from([("v1", "ConfigMap"), ("apps/v1", "Deployment")]))
def test_inventory_ids_of_ours(namespace: str, name: str, kind: tuple[str, str]) -> None:
    ref = ObjectRef(kind[0], kind[1], namespace.replace(".", "-"), name)
    assert ref_from(id_of(ref), kind[0].rpartition("/")[2]) == ref


PATTERN = st.text(alphabet="ab*?[]!^-\\/. ", max_size=40)


@settings(deadline=1000)
@given(st.lists(PATTERN | TEXT, max_size=8), st.lists(st.text(alphabet="ab/.", min_size=1, max_size=30), max_size=4))
@example(["**/a" * 20 + "b"], ["a/" * 40 + "c"])
@example(["*a" * 30 + "b"], ["a" * 60])
@example(["[a-"], ["a"])
def test_ignore_patterns(lines: list[str], paths: list[str]) -> None:
    """Time is bounded whatever the pattern: see the deadline."""
    rules = IgnoreRules(tuple(patterns_of("\n".join(lines))))
    for path in paths:
        assert rules.ignores(path) in {True, False}


def archive(entries: list[tuple[str, int, bytes, int]], cut: int, noise: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, content, mode in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.linkname = bytes([kind]), mode, "../../x"
            info.size = len(content) if kind == ord("0") else 0
            tar.addfile(info, io.BytesIO(content))
    raw = bytearray(out.getvalue())
    at = cut % (len(raw) + 1)
    raw[at : at + len(noise)] = noise
    return gzip.compress(bytes(raw), 1)


ENTRY = st.tuples(
    st.sampled_from(["a", "a/b", "../x", "/x", "a/../../x", ".", "", "a\\b", "ä", "x" * 300]) | st.text(min_size=1, max_size=12),
    st.sampled_from(list(b"0123456SLKx")),
    st.binary(max_size=50),
    st.sampled_from([0o644, 0o4755, 0o7777]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ENTRY, max_size=5), st.integers(0, 5000), st.binary(max_size=40))
def test_archives(entries: list[tuple[str, int, bytes, int]], cut: int, noise: bytes) -> None:
    """Devices, links, setuid, broken headers: nothing outside, nothing but plain files and folders, one kind of error."""
    with contextlib.suppress(ValueError, UnicodeError):
        data = archive(entries, cut, noise)
        with tempfile.TemporaryDirectory() as folder:
            into, file = Path(folder, "deep", "into"), Path(folder, "x.tar.gz")
            into.mkdir(parents=True)
            file.write_bytes(data)
            unpacked(file, into)
            assert sorted(path.name for path in Path(folder).iterdir()) == ["deep", "x.tar.gz"]
            assert [path.name for path in into.parent.iterdir()] == ["into"]
            for path in into.rglob("*"):
                assert not path.is_symlink() and (path.is_file() or path.is_dir())
                assert path.stat().st_mode & 0o7000 == 0


def unpacked(file: Path, into: Path) -> None:
    with contextlib.suppress(UnsafeArchive):
        try:
            unpack(file, into, Limits(total_bytes=10_000, entries=10))
        except (ValueError, UnicodeError) as error:
            raise AssertionError("an error of another kind") from error


@given(TEXT | st.from_regex(r"(https?|ssh|git|file|ext)://?[^ ]{0,30}", fullmatch=True))
def test_urls(text: str) -> None:
    """GO-2025-3368: what is parsed has a host and begins with no option, wherever it is put."""
    try:
        url = git.GitUrl.parse(text)
    except git.InvalidUrl:
        return
    assert url.scheme in {"http", "https", "ssh"} and url.host and not url.host.startswith("-")
    assert (not str(url).startswith("-") and not url.username.startswith("-")) or url.scheme != "ssh"
    assert str(url).isprintable() and " " not in str(url)
    if url.password and url.password not in url.path + url.host + url.scheme:
        assert url.password not in repr(url) or url.password in url.username


@given(TEXT)
def test_references(text: str) -> None:
    """CVE-2026-71556, CVE-2026-71557."""
    for make in (git.branch, git.tag, git.named, git.commit):
        try:
            reference = make(text)
        except git.InvalidReference as error:
            assert len(str(error)) < 300
            continue
        assert ".." not in reference.ref and not reference.ref.startswith("-") and "\n" not in reference.ref


@given(TEXT | st.from_regex(r"(sha256|sha512|md5|blake3):[0-9a-f]{0,130}", fullmatch=True))
def test_digests(text: str) -> None:
    with contextlib.suppress(UnsupportedDigest):
        assert algorithm_of(text) in {"sha256", "sha384", "sha512", "blake3"}


SECRET_DATA = st.dictionaries(
    st.sampled_from(
        ["username", "password", "bearerToken", "identity", "known_hosts", "ca.crt", "address", "tls.crt", "tls.key"]
    ),
    st.binary(max_size=30) | st.from_regex(rb"(https?|socks5)://[^ ]{0,20}", fullmatch=True),
)


@given(SECRET_DATA, st.sampled_from(["https", "ssh"]))
def test_secrets(data: dict[str, bytes], scheme: str) -> None:
    for read in (lambda: git_access(data, scheme), lambda: proxy_access(data)):
        with contextlib.suppress(InvalidSecret):
            read()


SECTION = JSON | st.lists(
    st.fixed_dictionaries(
        {"name": st.just("x") | JSON},
        optional={
            word: JSON
            | st.dictionaries(
                st.sampled_from(["server", "cluster", "user", "token", "exec", "as", "as-groups", "namespace", "proxy-url"]), JSON
            )
            for word in ("cluster", "user", "context")
        },
    ),
    max_size=2,
)


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(("clusters", "users", "contexts", "current-context"), SECTION)))
def test_kubeconfigs(document: Any) -> None:
    """CVE-2022-24817: any document at all gives a connection whose headers are texts on one line, or BadConnection."""
    try:
        connection = from_foreign_document(document)
    except BadConnection:
        return
    assert connection.server.startswith(("https://", "http://"))
    assert all("\n" not in value and "\r" not in value for _, value in connection.headers())
