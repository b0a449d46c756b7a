"""`spec.verify`: whose signature a commit or tag must carry before it becomes an artifact. Flux: source-kustomize.md 3.3.

Verification happens when something is fetched, so a changed key counts from the next revision on (SK10).
"""

from collections.abc import Mapping

from fleetloop import git
from fleetloop.api import reasons
from fleetloop.api.source import GitRepository
from fleetloop.controllers.source.failures import VerificationFailed, VerificationRefused

_PARTS: Mapping[str, frozenset[str]] = {
    "HEAD": frozenset({"commit"}),
    "Tag": frozenset({"tag"}),
    "TagAndHEAD": frozenset({"commit", "tag"}),
}


def mode_of(repo: GitRepository) -> str | None:
    """HEAD, Tag, TagAndHEAD; None when nothing is to be verified."""
    return None if repo.spec.verify is None else {"head": "HEAD"}.get(repo.spec.verify.mode, repo.spec.verify.mode)


def is_covered(wanted: str | None, verified: str | None) -> bool:
    """Whether what was verified last time is enough for what is wanted now."""
    return _PARTS.get(wanted or "", frozenset()) <= _PARTS.get(verified or "", frozenset())


def check_mode(repo: GitRepository) -> None:
    """Raises VerificationRefused when a tag is to be verified and none is checked out."""
    ref = repo.spec.ref
    by_tag = ref is not None and not ref.commit and (ref.name.startswith("refs/tags/") if ref.name else ref.tag or ref.semver)
    if "tag" in _PARTS.get(mode_of(repo) or "", frozenset()) and not by_tag:
        message = "cannot verify tag object's signature if a tag reference is not specified"
        raise VerificationRefused(reasons.INVALID_VERIFICATION_MODE, message)


def verify(commit: git.Commit, mode: str, keys: Mapping[str, bytes]) -> str:
    """The message of the condition. Raises VerificationFailed, VerificationRefused."""
    lines = []
    if "tag" in _PARTS[mode]:
        name = commit.reference.shown
        if not git.is_signed_tag(commit.raw_tag):
            message = f"cannot verify signature of tag '{name}' since it is not signed"
            raise VerificationRefused(reasons.INVALID_GIT_OBJECT, message)
        try:
            key = git.verify_tag(commit.raw_tag, keys)
        except (git.BadSignature, git.NotSigned) as error:
            message = f"signature verification of tag '{name}' failed: {error}"
            raise VerificationFailed(reasons.INVALID_TAG_SIGNATURE, message) from error
        lines.append(f"\n\t- tag '{name}' with key '{key}'")
    if "commit" in _PARTS[mode]:
        try:
            key = git.verify_commit(commit.raw, keys)
        except (git.BadSignature, git.NotSigned) as error:
            message = f"signature verification of commit '{commit.sha}' failed: {error}"
            raise VerificationFailed(reasons.INVALID_COMMIT_SIGNATURE, message) from error
        lines.append(f"\n\t- commit '{commit.sha}' with key '{key}'")
    return "verified signature of" + "".join(lines)
