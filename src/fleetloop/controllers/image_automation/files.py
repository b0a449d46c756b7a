"""Runs the setters over the files of a work tree. Blocking; nothing outside of the tree is read or written, wherever links lead.

Flux: helm-notification-image.md 5.4.
"""

import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetloop.controllers.image_automation.failures import UpdateFailed
from fleetloop.controllers.image_automation.markers import MARKER
from fleetloop.controllers.image_automation.setters import Change, Edited, Images, edit

_LARGEST = 8 << 20  # bytes of a file that is parsed
_NAMES, _ENDINGS = {"Kustomization"}, (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Update:
    """`changes`: with the file each is in, as seen from the update's path. `left_alone`: marked files, and why."""

    changes: Sequence[tuple[str, Change]]
    left_alone: Sequence[str]


def update(tree: Path, path: str, images: Images) -> Update:
    """Sets the images in all marked files below `path`. Raises UpdateFailed."""
    root = tree.resolve()
    start = (root / path.lstrip("/")).resolve()
    if not start.is_relative_to(root):
        raise UpdateFailed(f"update path '{path[:200]}' leads out of the repository")
    if not start.exists():
        raise UpdateFailed(f"update path '{path[:200]}' does not exist in the repository")
    changes: list[tuple[str, Change]] = []
    left_alone: list[str] = []
    for shown, file in _candidates(root, start):
        try:
            edited = _edited(file, images)
        except OSError as error:
            raise UpdateFailed(f"failed to update file '{shown}': {error.strerror}") from error
        changes += [(shown, change) for change in edited.changes]
        left_alone += [f"{shown}: {why}" for why in edited.left_alone]
    return Update(changes, left_alone)


def _candidates(root: Path, start: Path) -> Iterator[tuple[str, Path]]:
    """Each file once, in order of path. Links count when they lead to a file of this tree."""
    seen = set()
    for folder, folders, names in os.walk(start):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            if name not in _NAMES and not name.endswith(_ENDINGS):
                continue
            path = Path(folder, name)
            file = path.resolve()
            inside = file.is_relative_to(root) and not file.is_relative_to(root / ".git")
            if inside and file.is_file() and file not in seen:
                seen.add(file)
                yield str(path.relative_to(start)), file


def _edited(file: Path, images: Images) -> Edited:
    """The file is written only when it changed. Raises OSError."""
    if file.stat().st_size > _LARGEST:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            is_marked = mapped.find(MARKER.encode()) >= 0
        return Edited(b"", left_alone=(f"it is larger than {_LARGEST >> 20} MiB",) if is_marked else ())
    content = file.read_bytes()
    edited = edit(content, images)
    if edited.content != content:
        _write(file, edited.content)
    return edited


def _write(file: Path, content: bytes) -> None:
    """In place: the file's mode stays."""
    with file.open("r+b") as opened:
        opened.write(content)
        opened.truncate()
