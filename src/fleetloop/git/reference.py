"""Which commit is wanted: a branch, a tag, any ref by name, or a commit; and what a revision is called.

Choosing a tag by a semver range is the caller's: it lists the tags and asks the engine.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleetloop.git.errors import EmptyRepository, InvalidReference, ReferenceNotFound

_PEELED = "^{}"
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^\.|\.$|^/|/$|^@$|^-|/-")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """`ref`: full ref name, empty for a bare commit. `shown`: what a revision starts with, may be empty."""

    ref: str = ""
    shown: str = ""
    commit: str = ""

    def revision(self, sha: str) -> str:
        """`main@sha1:<hex>`, or `sha1:<hex>` for a bare commit."""
        digest = f"{algorithm_of(sha)}:{sha}"
        return f"{self.shown}@{digest}" if self.shown else digest

    def wildcard(self) -> tuple[str, ...]:
        """Patterns for `list_refs` that bring this ref and, for an annotated tag, what it points to."""
        return (self.ref, self.ref + _PEELED)

    def find(self, refs: Mapping[str, str]) -> str:
        """The commit this ref points to, tags peeled. Raises ReferenceNotFound, EmptyRepository."""
        if not refs:
            raise EmptyRepository("git repository is empty")
        if sha := refs.get(self.ref + _PEELED) or refs.get(self.ref):
            return sha
        raise ReferenceNotFound(f'couldn\'t find remote ref "{self.ref}"')


def branch(name: str) -> Reference:
    return Reference(_checked(f"refs/heads/{name}", "branch", name), name)


def tag(name: str) -> Reference:
    return Reference(_checked(f"refs/tags/{name}", "tag", name), name)


def named(ref: str) -> Reference:
    """`refs/heads/..`, `refs/tags/..` (also with `^{}`), or any other ref such as `refs/pull/1/head`."""
    plain = ref.removesuffix(_PEELED)
    return Reference(_checked(plain, "name", ref), plain)


def commit(sha: str, on_branch: str = "") -> Reference:
    """A commit by its full hash; `on_branch` is where it is expected and what the revision then names."""
    if not _COMMIT.fullmatch(sha):
        raise InvalidReference("invalid reference: commit must be a full hash of 40 or 64 lower-case hex digits")
    on = branch(on_branch) if on_branch else Reference()
    return Reference(on.ref, on.shown, sha)


def tags_of(refs: Mapping[str, str]) -> list[str]:
    """Names of all tags in a listing, each once."""
    prefix = "refs/tags/"
    return sorted({ref.removesuffix(_PEELED).removeprefix(prefix) for ref in refs if ref.startswith(prefix)})


def refs_of(listing: bytes) -> dict[str, str]:
    """The output of `git ls-remote`: ref name -> hash."""
    lines = (line.split("\t", 1) for line in listing.decode(errors="replace").splitlines())
    return {line[1]: line[0] for line in lines if len(line) == 2}


def algorithm_of(sha: str) -> str:
    return "sha1" if len(sha) == 40 else "sha256"


def _checked(ref: str, field: str, given: str) -> str:
    """Git's own rules for ref names, and no part that could be taken for an option."""
    if not given or given.startswith("-") or not ref.isprintable() or _FORBIDDEN.search(ref) or len(ref) > 1024:
        raise InvalidReference(f"invalid reference: {field} is not a name Git allows")
    return ref
