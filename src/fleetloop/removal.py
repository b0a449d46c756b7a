"""Removing folders of what others sent, however deep: recursion would end at Python's limit and leave the rest on the disk."""

import contextlib
import os
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """A folder with all that is in it; links are not followed, and what cannot be removed stays. Blocks."""
    folders = [] if folder.is_symlink() else [str(folder)]
    for place in folders:  # which grows
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                    continue
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
    for place in reversed(folders):
        with contextlib.suppress(OSError):
            os.rmdir(place)
