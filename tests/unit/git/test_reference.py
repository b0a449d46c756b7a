import pytest

from fleetloop import git

SHA, SHA256 = "1" * 40, "2" * 64


@pytest.mark.parametrize(
    ("reference", "ref", "revision"),
    [
        (git.branch("main"), "refs/heads/main", f"main@sha1:{SHA}"),
        (git.branch("feature/x"), "refs/heads/feature/x", f"feature/x@sha1:{SHA}"),
        (git.tag("v1.0.0+b"), "refs/tags/v1.0.0+b", f"v1.0.0+b@sha1:{SHA}"),
        (git.named("refs/heads/main"), "refs/heads/main", f"refs/heads/main@sha1:{SHA}"),
        (git.named("refs/tags/v1^{}"), "refs/tags/v1", f"refs/tags/v1@sha1:{SHA}"),
        (git.commit(SHA), "", f"sha1:{SHA}"),
        (git.commit(SHA, "main"), "refs/heads/main", f"main@sha1:{SHA}"),
    ],
)
def test_revision(reference: git.Reference, ref: str, revision: str) -> None:
    assert (reference.ref, reference.revision(SHA)) == (ref, revision)


def test_sha256_revision() -> None:
    assert git.branch("main").revision(SHA256) == f"main@sha256:{SHA256}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-x",
        "--upload-pack=x",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "/a",
        "a/",
        "a//b",
        "a/.b",
        "a.lock",
        "a.",
        "@{",
        "a@{1}",
        "a\x00",
        "../x",
        "x" * 2000,
    ],
)
def test_bad_names(name: str) -> None:
    for make in (git.branch, git.tag, git.named):
        with pytest.raises(git.InvalidReference):
            make(name)


@pytest.mark.parametrize("sha", ["", "HEAD", "1" * 39, "A" * 40, "-" + "1" * 39])
def test_bad_commits(sha: str) -> None:
    with pytest.raises(git.InvalidReference):
        git.commit(sha)


def test_find_peels_tags() -> None:
    refs = {"refs/heads/main": "1", "refs/tags/v1": "2", "refs/tags/v1^{}": "3"}
    assert git.tag("v1").find(refs) == "3"
    assert git.branch("main").find(refs) == "1"
    with pytest.raises(git.ReferenceNotFound):
        git.branch("x").find(refs)
    with pytest.raises(git.EmptyRepository, match="git repository is empty"):
        git.branch("x").find({})
