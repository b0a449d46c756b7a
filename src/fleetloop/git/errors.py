"""What can go wrong between us and a Git repository, one class per thing a caller can do about it.

`translate` reads what the git program wrote to stderr (C locale) and names it. No message here ever holds a
secret: addresses are shown without user info, and credentials never reach git's command line.
"""

import re
from collections.abc import Mapping


class GitError(Exception):
    """Git refused or failed; the message is fit for a condition. Raised itself when no subclass fits."""


class InvalidUrl(GitError):
    """The address can never work: wrong scheme, no host, a character that has no place there."""


class InvalidReference(GitError):
    """The branch, tag, ref name or commit is not one Git could have."""


class InvalidKey(GitError):
    """A key given to us cannot be read: wrong format, or a passphrase is missing or wrong."""


class AuthenticationFailed(GitError):
    """The server wants other credentials, or its host key is not the one we know."""


class RepositoryNotFound(GitError):
    """There is no such repository, or these credentials may not see it."""


class Redirected(RepositoryNotFound):
    """The server names another place, where these credentials are not taken to unasked."""


class ReferenceNotFound(GitError):
    """The repository has no such branch, tag, ref or commit."""


class EmptyRepository(GitError):
    """The repository has no commit at all yet."""


class SparsePathMissing(GitError):
    """A directory asked for in a sparse checkout is not in the commit."""


class RepositoryTooLarge(GitError):
    """The pack or the tree is beyond our limits."""


class GitUnreachable(GitError):
    """The server did not answer, or not as one; trying again may help."""


class GitTimeout(GitUnreachable):
    """The time given for the operation ran out."""


class PushRejected(GitError):
    """The server took the push and refused it (hook, protected branch, read-only key)."""


class NonFastForward(PushRejected):
    """The branch moved on since it was read; fetch and try again."""


# First match wins. The text is what the contract shows after `unable to clone '<url>': `, where it names one.
_SIGNS: tuple[tuple[str, type[GitError], str], ...] = (
    (r"[Ff]ile size limit exceeded|died of signal 25|File too large", RepositoryTooLarge, "it is larger than we accept"),
    (r"socks5 proxy: (?P<said>[^\n]+)", GitUnreachable, "socks5 proxy"),
    (r"couldn't find remote ref (?P<what>\S+)", ReferenceNotFound, "couldn't find remote ref"),
    (r"Remote branch (?P<what>\S+) not found", ReferenceNotFound, "couldn't find remote ref"),
    (r"upload-pack: not our ref (?P<what>\w+)", ReferenceNotFound, "unable to resolve commit object for"),
    (r"Server does not allow request for unadvertised object (?P<what>\w+)", ReferenceNotFound, "the server refuses"),
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED", AuthenticationFailed, "ssh: known_hosts has another key for the host"),
    (r"Host key verification failed", AuthenticationFailed, "ssh: the host's key is not in known_hosts"),
    (r"Permission denied \(", AuthenticationFailed, "ssh: permission denied for this identity"),
    (r"Load key .* (invalid format|error in libcrypto)", AuthenticationFailed, "ssh: identity cannot be read"),
    (r"Authentication failed for|could not read (Username|Password)", AuthenticationFailed, "authentication required"),
    (r"requested URL returned error: 401", AuthenticationFailed, "authentication required"),
    (r"requested URL returned error: 403", AuthenticationFailed, "authorization failed"),
    (r"requested URL returned error: 3\d\d", Redirected, "the server redirects elsewhere; use the new URL"),
    (r"requested URL returned error: 404|[Rr]epository .*not found", RepositoryNotFound, "repository not found"),
    (r"does not appear to be a git repository", RepositoryNotFound, "repository not found"),
    (r"not valid: is this a git repository", RepositoryNotFound, "repository not found"),
    (r"Could not resolve (host|proxy)|Name or service not known", GitUnreachable, "the host name does not resolve"),
    (r"[Cc]onnection refused|[Ff]ailed to connect|Couldn't connect", GitUnreachable, "connection refused"),
    (r"certificate|TLS|SSL", GitUnreachable, ""),
    (r"unable to access|Could not read from remote|hung up|[Tt]imed out|early EOF", GitUnreachable, ""),
)
_SHOWN_CHARACTERS = 1000


def translate(stderr: str, doing: str) -> GitError:
    """The error git's stderr stands for; `doing` is "unable to clone '<url>'" or alike."""
    for sign, error, text in _SIGNS:
        if found := re.search(sign, stderr):
            return error(f"{doing}: {_detail(text, found.groupdict()) or _shown(stderr)}")
    return GitError(f"{doing}: {_shown(stderr) or 'git ended without a word'}")


def _detail(text: str, parts: Mapping[str, str]) -> str:
    if what := parts.get("what"):
        return f'{text} "{what}"'
    return f"{text}: {_shown(said)}" if (said := parts.get("said")) else text


def translate_push(report: str, stderr: str, doing: str) -> GitError:
    """The same for a push: `report` is the stdout of `git push --porcelain`."""
    for line in report.splitlines():
        if line.startswith("!"):
            reason = line.rpartition("\t")[2].strip()
            behind = re.search(r"fetch first|non-fast-forward|stale info|cannot lock ref", reason)
            return (NonFastForward if behind else PushRejected)(f"{doing}: {_shown(reason)}")
    if "pre-receive hook declined" in stderr or "The key you are authenticating with has been marked as read only" in stderr:
        return PushRejected(f"{doing}: {_shown(stderr)}")
    return translate(stderr, doing)


def _shown(text: str) -> str:
    """Server-made text on one line, short, without control characters, git's own prefixes dropped."""
    lines = [re.sub(r"^(fatal|error|remote): ?", "", line).strip() for line in text.splitlines()]
    flat = "; ".join(line for line in lines if line and not line.startswith("warning:"))
    return "".join(char for char in flat if char.isprintable())[:_SHOWN_CHARACTERS]
