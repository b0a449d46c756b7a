"""The `--path` flag: a directory inside the repository, in the one spelling every later place uses. Pure."""

import posixpath


def relative_path(flag: str) -> str:
    """`./clusters/x` of whatever was written; "" stays "". `..` cannot climb out and `/` is the repository itself.

    The leading `./` is part of the contract: it shows in the deploy key's title and in the Kustomization.
    """
    if not flag:
        return ""
    inside = posixpath.normpath("/" + flag).lstrip("/")
    return f"./{inside}"


def same_directory(one: str, other: str) -> bool:
    """Whether two spellings name one directory; the path check compares this way."""
    return _plain(one) == _plain(other)


def inside(path: str, *parts: str) -> str:
    """A file below the sync path, as git names it: without the leading `./`."""
    return posixpath.normpath(posixpath.join(path or ".", *parts))


def _plain(path: str) -> str:
    return posixpath.normpath("/" + path).strip("/")
