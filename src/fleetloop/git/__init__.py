"""Git repositories, by the git program: list refs, fetch a tree, clone, commit, sign, push; SSH keys.

What needs cryptography is imported only when asked for: ten MiB that a controller at rest does without.
"""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fleetloop.git.address import GitUrl
from fleetloop.git.checkout import BranchContent, CheckoutOptions, PushOptions, check_out, content_beyond, head_content, push_refs
from fleetloop.git.commit import Commit
from fleetloop.git.credentials import ANONYMOUS, Credentials, Proxy, SshAlgorithms, unlocked
from fleetloop.git.errors import (
    AuthenticationFailed,
    EmptyRepository,
    GitError,
    GitTimeout,
    GitUnreachable,
    InvalidKey,
    InvalidReference,
    InvalidUrl,
    NonFastForward,
    PushRejected,
    Redirected,
    ReferenceNotFound,
    RepositoryNotFound,
    RepositoryTooLarge,
    SparsePathMissing,
)
from fleetloop.git.fetch import WHOLE_TREE, FetchOptions, fetch, list_refs, newest_of
from fleetloop.git.program import PLAIN_GIT, Git
from fleetloop.git.redirect import moved_to
from fleetloop.git.reference import Reference, branch, commit, named, tag, tags_of

if TYPE_CHECKING:
    from fleetloop.git.keys import KeyPair, generate_key, key_pair_of, scan_host_key
    from fleetloop.git.signing import OpenPgpSigner, Signer, SshSigner
    from fleetloop.git.verify import BadSignature, NotSigned, is_signed_tag, verify_commit, verify_tag
    from fleetloop.git.worktree import Person, clone, commit_all, push

_LATER: Mapping[str, frozenset[str]] = {
    "keys": frozenset({"KeyPair", "generate_key", "key_pair_of", "scan_host_key"}),
    "signing": frozenset({"OpenPgpSigner", "Signer", "SshSigner"}),
    "verify": frozenset({"BadSignature", "NotSigned", "is_signed_tag", "verify_commit", "verify_tag"}),
    "worktree": frozenset({"Person", "clone", "commit_all", "push"}),
}

__all__ = [
    "ANONYMOUS",
    "PLAIN_GIT",
    "WHOLE_TREE",
    "AuthenticationFailed",
    "BadSignature",
    "BranchContent",
    "CheckoutOptions",
    "Commit",
    "Credentials",
    "EmptyRepository",
    "FetchOptions",
    "Git",
    "GitError",
    "GitTimeout",
    "GitUnreachable",
    "GitUrl",
    "InvalidKey",
    "InvalidReference",
    "InvalidUrl",
    "KeyPair",
    "NonFastForward",
    "NotSigned",
    "OpenPgpSigner",
    "Person",
    "Proxy",
    "PushOptions",
    "PushRejected",
    "Redirected",
    "Reference",
    "ReferenceNotFound",
    "RepositoryNotFound",
    "RepositoryTooLarge",
    "Signer",
    "SparsePathMissing",
    "SshAlgorithms",
    "SshSigner",
    "branch",
    "check_out",
    "clone",
    "commit",
    "commit_all",
    "content_beyond",
    "fetch",
    "generate_key",
    "head_content",
    "is_signed_tag",
    "key_pair_of",
    "list_refs",
    "moved_to",
    "named",
    "newest_of",
    "push",
    "push_refs",
    "scan_host_key",
    "tag",
    "tags_of",
    "unlocked",
    "verify_commit",
    "verify_tag",
]


def __getattr__(name: str) -> Any:
    for module, names in _LATER.items():
        if name in names:
            return getattr(importlib.import_module(f"fleetloop.git.{module}"), name)
    raise AttributeError(name)
