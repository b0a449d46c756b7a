"""Folders are removed whole, deeper than Python recurses, and nothing outside of them."""

import os
from pathlib import Path

from fleetloop.removal import remove_tree


def test_a_tree_deeper_than_recursion_goes(tmp_path: Path) -> None:
    folder, path = tmp_path / "work", tmp_path / "work"
    folder.mkdir()
    for _ in range(1450):
        path = path / "a"
        path.mkdir()
        (path / "f").write_text("")
    remove_tree(folder)
    assert not folder.exists()
    remove_tree(folder)  # nothing there is fine


def test_links_are_not_followed(tmp_path: Path) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "work"
    (kept / "inside").mkdir(parents=True)
    folder.mkdir()
    (folder / "link").symlink_to(kept)
    os.mkfifo(folder / "pipe")
    remove_tree(folder)
    (tmp_path / "link").symlink_to(kept)
    remove_tree(tmp_path / "link")
    assert not folder.exists() and (kept / "inside").is_dir()
