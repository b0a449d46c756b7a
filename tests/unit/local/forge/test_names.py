import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetloop.local.forge import names

GOOD_REFS = ["main", "refs/heads/release/1.0", "feature-x", "a@b", "v1.0.0", "ümlaut"]
BAD_REFS = ["", "-x", "/x", "x/", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b"]
BAD_REFS += ["x.lock", "a/.b", "@", "a@{1}", "a//b", "x.", "a\n"]


@pytest.mark.parametrize("name", ["a", "acme", "Acme-1", "x" * 39])
def test_good_owners(name: str) -> None:
    assert names.owner_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "a_b", "a.b", "..", "x" * 40, "a/b", "a\n"])
def test_bad_owners(name: str) -> None:
    with pytest.raises(names.BadName):
        names.owner_name(name)


@pytest.mark.parametrize("name", ["fleet", "a.b_c-1", ".github", "x" * 100])
def test_good_repositories(name: str) -> None:
    assert names.repository_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "-x", "a b", "x.git", "x" * 101, "a/b", "a\x00"])
def test_bad_repositories(name: str) -> None:
    with pytest.raises(names.BadName):
        names.repository_name(name)


@pytest.mark.parametrize("name", GOOD_REFS)
def test_good_refs(name: str) -> None:
    assert names.ref_name(name) == name


@pytest.mark.parametrize("name", BAD_REFS)
def test_bad_refs(name: str) -> None:
    with pytest.raises(names.BadName):
        names.ref_name(name)


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "..", "a/../b", "./a", ".git/config", "a/.GIT", "a\nb", "x" * 5000])
def test_bad_paths(path: str) -> None:
    with pytest.raises(names.BadName):
        names.file_path(path)


@given(st.text())
def test_accepted_path_stays_inside(text: str) -> None:
    try:
        path = names.file_path(text)
    except names.BadName:
        return
    assert not path.startswith("/")
    assert ".." not in path.split("/")


@given(st.text())
def test_accepted_revision_is_no_option(text: str) -> None:
    try:
        assert not names.revision(text).startswith("-")
    except names.BadName:
        return


@pytest.mark.parametrize(("name", "slug"), [("Platform Team", "platform-team"), (" A  b! ", "a-b"), ("x_y", "x_y")])
def test_slugs(name: str, slug: str) -> None:
    assert names.slug_of(name) == slug
