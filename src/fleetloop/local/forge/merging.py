"""Merges one branch into another inside a bare repository: with a merge commit, or squashed into one commit."""

from dataclasses import dataclass
from typing import Literal

from .bare_git import BareRepository, GitFailed, Signature

Method = Literal["merge", "squash"]


class BaseMoved(Exception):
    """Somebody else changed the base branch meanwhile."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What to merge: commit `head` into branch `base`, which stands at `base_sha`."""

    base: str
    base_sha: str
    head: str
    message: str
    author: Signature
    committer: Signature


async def merge(git: BareRepository, wish: Merge, method: Method) -> str:
    """Commit the merge on the base branch and return its id; raises MergeConflict and BaseMoved."""
    tree = await git.merged_tree(wish.base_sha, wish.head)
    parents = [wish.base_sha, wish.head] if method == "merge" else [wish.base_sha]
    sha = await git.write_commit(tree, parents, wish.message, wish.author, wish.committer)
    try:
        await git.update_ref(f"refs/heads/{wish.base}", sha, wish.base_sha)
    except GitFailed as error:
        raise BaseMoved(f"branch {wish.base} was changed meanwhile") from error
    return sha
