"""A commit as read from a repository, with the raw objects that signatures are verified over."""

import re
from dataclasses import dataclass, field

from fleetloop.git.errors import GitError
from fleetloop.git.reference import Reference


@dataclass(frozen=True, slots=True)
class Commit:
    """`committed_at`: seconds since 1970. `raw`: the commit object; `raw_tag`: the annotated tag it was reached by."""

    sha: str
    reference: Reference
    subject: str
    committed_at: int
    raw: bytes = field(repr=False)
    raw_tag: bytes = field(default=b"", repr=False)

    @property
    def revision(self) -> str:
        return self.reference.revision(self.sha)


def commit_of(batch: bytes, reference: Reference) -> Commit:
    """From `git cat-file --batch` of a ref and of that ref peeled to its commit. Raises GitError."""
    kind, _, first, rest = _next_object(batch)
    if kind == "missing":
        raise GitError("the fetched ref points to nothing")
    kind_peeled, sha, raw, _ = _next_object(rest)
    if kind_peeled != "commit":
        raise GitError(f"'{reference.ref or reference.commit}' is not a commit")
    header, _, message = raw.partition(b"\n\n")
    committer = re.search(rb"^committer .*> (\d+) ", header, re.M)
    subject = message.decode(errors="replace").strip().split("\n", 1)[0]
    return Commit(sha, reference, subject, int(committer[1]) if committer else 0, raw, first if kind == "tag" else b"")


def _next_object(batch: bytes) -> tuple[str, str, bytes, bytes]:
    """Kind, hash, content, and what follows."""
    line, _, rest = batch.partition(b"\n")
    words = line.decode(errors="replace").split()
    if len(words) != 3 or not words[2].isdigit():
        return "missing", "", b"", rest
    size = int(words[2])
    return words[1], words[0], rest[:size], rest[size + 1 :]
