from dataclasses import replace

import pytest

from fleetloop import git
from fleetloop.api.meta import LocalObjectReference, ObjectMeta
from fleetloop.api.source import GitReference, GitRepository, GitRepositorySpec, GitVerification
from fleetloop.controllers.source.failures import VerificationFailed, VerificationRefused
from fleetloop.controllers.source.git_verify import check_mode, is_covered, mode_of, verify
from fleetloop.git.signing import signed_commit

KEY = git.generate_key("ed25519")
KEYS = {"ada.sshpub": KEY.identity_pub}
SIGNED = signed_commit(b"tree x\n", b"message", git.SshSigner(KEY.identity))
TAG = b"object x\n\nmessage\n"
SIGNED_TAG = TAG + git.SshSigner(KEY.identity).sign(TAG).encode() + b"\n"
COMMIT = git.Commit("1" * 40, git.tag("v1"), "message", 0, SIGNED, SIGNED_TAG)


def repository(mode: str = "", **ref: str) -> GitRepository:
    verification = GitVerification(secret_ref=LocalObjectReference(name="keys"), mode=mode) if mode else None  # type: ignore[arg-type]
    spec = GitRepositorySpec(interval="1m", url="https://h/r", ref=GitReference(**ref), verify=verification)
    return GitRepository(api_version="x/v1", kind="GitRepository", metadata=ObjectMeta(name="app"), spec=spec)


@pytest.mark.parametrize(
    ("wanted", "verified", "covered"),
    [
        (None, None, True),
        ("HEAD", None, False),
        ("HEAD", "HEAD", True),
        ("HEAD", "Tag", False),
        ("HEAD", "TagAndHEAD", True),
        ("TagAndHEAD", "HEAD", False),
        (None, "HEAD", True),
    ],
)
def test_coverage(wanted: str | None, verified: str | None, covered: bool) -> None:
    assert is_covered(wanted, verified) is covered


@pytest.mark.parametrize(
    ("mode", "ref", "refused"),
    [
        ("HEAD", {"branch": "main"}, False),
        ("Tag", {"branch": "main"}, True),
        ("TagAndHEAD", {"commit": "1" * 40, "tag": "v1"}, True),
        ("Tag", {"tag": "v1"}, False),
        ("Tag", {"semver": "1.x"}, False),
        ("Tag", {"name": "refs/tags/v1"}, False),
        ("Tag", {"name": "refs/heads/main", "tag": "v1"}, True),
        ("", {"branch": "main"}, False),
    ],
)
def test_tag_modes_need_a_tag(mode: str, ref: dict[str, str], refused: bool) -> None:
    if not refused:
        check_mode(repository(mode, **ref))
        return
    with pytest.raises(VerificationRefused) as caught:
        check_mode(repository(mode, **ref))
    assert caught.value.reason == "InvalidVerificationMode"


def test_the_old_spelling_of_head() -> None:
    assert mode_of(repository("head")) == "HEAD"


def test_message() -> None:
    message = verify(COMMIT, "TagAndHEAD", KEYS)
    key = git.verify_commit(SIGNED, KEYS)
    assert message == f"verified signature of\n\t- tag 'v1' with key '{key}'\n\t- commit '{'1' * 40}' with key '{key}'"


@pytest.mark.parametrize(
    ("commit", "mode", "error", "reason", "message"),
    [
        (replace(COMMIT, raw_tag=b""), "Tag", VerificationRefused, "InvalidGitObject", "tag 'v1' since it is not signed"),
        (replace(COMMIT, raw_tag=TAG), "Tag", VerificationRefused, "InvalidGitObject", "tag 'v1' since it is not signed"),
        (replace(COMMIT, raw_tag=b"x" + SIGNED_TAG), "Tag", VerificationFailed, "InvalidTagSignature", "tag 'v1' failed"),
        (replace(COMMIT, raw=b"x" + SIGNED), "HEAD", VerificationFailed, "InvalidCommitSignature", "authorized keys"),
        (replace(COMMIT, raw=TAG), "HEAD", VerificationFailed, "InvalidCommitSignature", "unsupported signature type: empty"),
    ],
)
def test_failures(commit: git.Commit, mode: str, error: type[VerificationFailed], reason: str, message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        verify(commit, mode, KEYS)
    assert caught.value.reason == reason
