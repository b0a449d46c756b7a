from pathlib import Path

import pytest

from fleetloop.api.meta import LocalObjectReference
from fleetloop.api.source import GitInclude
from fleetloop.controllers.source.failures import StorageOperationFailed
from fleetloop.controllers.source.git_include import copy_includes
from fleetloop.storage import write_tarball


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    tree = tmp_path / "library"
    (tree / "lib").mkdir(parents=True)
    (tree / "lib" / "x").write_text("x")
    (tree / "y").write_text("y")
    file = tmp_path / "library.tar.gz"
    with file.open("wb") as out:
        write_tarball(tree, out)
    return file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "work" / "tree"
    made.mkdir(parents=True)
    (made / "a").write_text("a")
    return made


def include(source: str = "", target: str = "") -> GitInclude:
    return GitInclude(repository=LocalObjectReference(name="library"), from_path=source, to_path=target)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("", "", ["a", "library/lib/x", "library/y"]),
        ("lib", "vendor/lib", ["a", "vendor/lib/x"]),
        ("./lib/", "/vendor", ["a", "vendor/x"]),
    ],
)
def test_includes(tree: Path, archive: Path, source: str, target: str, expected: list[str]) -> None:
    copy_includes([include(source, target)], [archive], tree)
    assert sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()) == expected
    assert [path.name for path in tree.parent.iterdir()] == ["tree"]


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("none", "", "CopyFailure"),
        ("y", "", "CopyFailure"),
        ("", "a", "CopyFailure"),
        ("", "full", "CopyFailure"),
        ("../..", "", "IllegalPath"),
        ("", "../out", "IllegalPath"),
        ("", "link/out", "IllegalPath"),
    ],
)
def test_refusals(tree: Path, archive: Path, source: str, target: str, reason: str) -> None:
    (tree / "link").symlink_to(tree.parent.parent)
    (tree / "full").mkdir()
    (tree / "full" / "file").write_text("")
    with pytest.raises(StorageOperationFailed) as caught:
        copy_includes([include(source, target)], [archive], tree)
    assert caught.value.reason == reason
    assert not (tree.parent.parent / "out").exists()
