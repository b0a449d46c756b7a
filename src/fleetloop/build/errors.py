"""What goes wrong with a build: its sources do not make objects."""

import re
from pathlib import Path

_END = r"(?![^\s/'\":;,)])"
_CLONE = re.compile(rf"(?:/[^\s/'\":]+)*/kustomize-\d+{_END}")  # where kustomize puts a remote base, by chance


class BuildError(Exception):
    """The message is for users, in the contract's words; it holds no secret."""

    def seen_from(self, tree: Path) -> "BuildError":
        """The same, with `.` for the tree: where it was unpacked is chance, and a condition must not change with it."""
        message = _CLONE.sub("<remote base>", str(self))
        roots = {tree, tree.resolve()}
        for name, paths in ((".", roots), ("..", {root.parent for root in roots})):
            for path in paths:
                message = _named(name, path, message)
        return type(self)(message)


def _named(name: str, path: Path, message: str) -> str:
    return re.sub(rf"(?<![^\s'\":;,(=]){re.escape(str(path))}{_END}", name, message)


class EncryptedSecret(BuildError):
    """A Secret is still encrypted by SOPS at the end of a build without decryption."""
