"""A repository's links do not lead our writing out of the clone."""

from pathlib import Path

import pytest

from fleetloop.bootstrap.errors import StepFailed
from fleetloop.bootstrap.work import write_files, written


def test_a_link_in_place_of_a_generated_file(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    tree.mkdir()
    outside.write_text("precious")
    (tree / "gotk-sync.yaml").symlink_to(outside)
    with pytest.raises(StepFailed, match="not a link"):
        write_files(tree, {"gotk-sync.yaml": "x"})
    assert outside.read_text() == "precious"


def test_a_link_in_place_of_a_folder(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "clusters").symlink_to(tmp_path)
    with pytest.raises(StepFailed, match="not a link"):
        write_files(tree, {"clusters/a": "x"})


async def test_files_are_there_for_a_while_only(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"as\r\nit was")
    async with written(tmp_path, {"old": "new", "folder/made": "x"}):
        assert (tmp_path / "old").read_text() == "new"
        assert (tmp_path / "folder" / "made").exists()
    assert (tmp_path / "old").read_bytes() == b"as\r\nit was"
    assert not (tmp_path / "folder" / "made").exists()
