"""What may be called how: owners, repositories, refs and paths, as GitHub and git allow them.

Pure checks at the edge. Nothing here looks at what exists.
"""

import re
from pathlib import PurePosixPath

OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})")
RESERVED = frozenset({"admin", "api"})  # first parts of paths that the forge serves itself
REPOSITORY = re.compile(r"[A-Za-z0-9_.-]{1,100}")
SHA = re.compile(r"[0-9a-f]{40}")
SLUG_JUNK = re.compile(r"[^a-z0-9_]+")
REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(?:/|$)|(?:^|/)\.|\.$|/$")
PATH_LIMIT = 4096  # bytes, as Linux
REF_LIMIT = 255


class BadName(ValueError):
    """A name that the forge does not accept; the message says which part and why."""


def owner_name(text: str) -> str:
    """The login of a user or organisation; raises BadName."""
    if text.lower() in RESERVED:
        raise BadName(f"owner {text!r} is reserved")
    if not OWNER.fullmatch(text) or text.endswith("-") or "--" in text:
        raise BadName(f"owner {text[:50]!r} may hold letters, digits and single inner hyphens, at most 39")
    return text


def repository_name(text: str) -> str:
    """The name of a repository without `.git`; raises BadName."""
    if not REPOSITORY.fullmatch(text) or text in {".", ".."} or text.startswith("-") or text.endswith(".git"):
        raise BadName(f"repository {text[:50]!r} may hold letters, digits, '-', '_' and '.', at most 100")
    return text


def ref_name(text: str) -> str:
    """A full ref (`refs/heads/main`) or the short name of a branch; raises BadName. Source: git-check-ref-format(1)."""
    if not text or len(text) > REF_LIMIT or text[0] in "-/" or text == "@" or REF_FORBIDDEN.search(text):
        raise BadName(f"ref {text[:50]!r} is not a name git accepts")
    return text


def revision(text: str) -> str:
    """A full commit id or a ref name: what may stand after `git rev-parse --verify`; raises BadName."""
    return text if SHA.fullmatch(text) else ref_name(text)


def file_path(text: str) -> str:
    """A path inside a repository, relative and without `.` and `..`; raises BadName."""
    parts = text.split("/")
    if not text or len(text.encode()) > PATH_LIMIT or any(part in {"", ".", ".."} for part in parts):
        raise BadName("path must be relative and must not hold empty, '.' or '..' parts")
    if any(part.lower() == ".git" for part in parts) or re.search(r"[\x00-\x1f]", text):
        raise BadName("path must not hold '.git' or control characters")
    return str(PurePosixPath(text))


def slug_of(name: str) -> str:
    """`Platform Team` -> `platform-team`."""
    return SLUG_JUNK.sub("-", name.lower()).strip("-")
