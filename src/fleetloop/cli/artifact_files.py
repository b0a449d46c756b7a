"""Artifacts from a directory or file of this machine, packed as the controllers pack theirs. Knows no registry."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fleetloop.cli.command import flag
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import STRINGS

STDIN = "-"
STDIN_NAME = "stdin.yaml"
DEFAULT_IGNORED = (
    *(".git/", ".gitignore", ".gitmodules", ".gitattributes"),
    *("*.jpg", "*.jpeg", "*.gif", "*.png", "*.wmv", "*.flv", "*.tar.gz", "*.zip"),
)


@dataclass(frozen=True)
class IgnoreFlag:
    """What stays out."""

    ignore_paths: tuple[str, ...] = flag(
        "--ignore-paths", type=STRINGS, default=DEFAULT_IGNORED, help="paths to leave out, in .gitignore form"
    )


@dataclass(frozen=True)
class SymlinksFlag:
    """What becomes of links."""

    resolve_symlinks: bool = flag("--resolve-symlinks", help="pack what links lead to, which are left out otherwise")


def check_path(path: str) -> None:
    """Raises UsageError for what is neither stdin, a directory nor a file."""
    if not path:
        raise UsageError('invalid path ""')
    if path != STDIN and not Path(path).exists():
        raise UsageError(f"invalid path '{path}', must point to an existing directory or file")


@contextmanager
def packed(path: str, ignored: Sequence[str], *, resolve: bool = False) -> Iterator[Path]:
    """The archive, for as long as the context lasts. Blocking. Raises CliError.

    ⚠ CLI45: nothing is written beside the source. ⚠ CLI44: what stdin gives has always the same name.
    """
    from fleetloop.storage import bucket_rules, write_tarball

    with tempfile.TemporaryDirectory(prefix="fleetloop-artifact-") as folder:
        archive = Path(folder, "artifact.tgz")
        try:
            tree = _tree(path, Path(folder, "tree"), resolve=resolve)
            with archive.open("wb") as out:
                write_tarball(tree, out, bucket_rules("\n".join(ignored)))
        except OSError as error:
            raise CliError(f"building artifact failed, error: {error}") from None
        yield archive


def _tree(path: str, copy: Path, *, resolve: bool) -> Path:
    """The directory to pack: the given one, or a copy. Raises OSError, CliError."""
    source = Path(path)
    if path == STDIN:
        copy.mkdir()
        content = sys.stdin.buffer.read().rstrip(b"\r\n")
        with open(os.open(copy / STDIN_NAME, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(content)
        return copy
    if source.is_file():
        copy.mkdir()
        shutil.copy(source, copy / source.name)
        return copy
    if resolve:
        try:
            _copy_resolved(source, copy, frozenset())
        except OSError as error:
            raise CliError(f"resolving symlinks failed: {error}") from None
        return copy
    return source


def _copy_resolved(source: Path, into: Path, above: frozenset[Path]) -> None:
    """With what links lead to in their place; one that leads back up is left out. Raises OSError."""
    real = source.resolve(strict=True)
    if real in above:
        return
    into.mkdir()
    for entry in source.iterdir():
        target = entry.resolve(strict=True)
        if target.is_dir():
            _copy_resolved(entry, into / entry.name, above | {real})
        elif target.is_file():
            shutil.copy(target, into / entry.name)
