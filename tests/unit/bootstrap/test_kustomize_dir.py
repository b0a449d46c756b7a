from pathlib import Path

import pytest

from fleetloop.bootstrap.errors import StepFailed
from fleetloop.bootstrap.kustomize_dir import directory_in, find_kustomization, resources_below

MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


@pytest.mark.parametrize("spelling", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_bs31_every_spelling_of_the_overlay_is_seen(tmp_path: Path, spelling: str) -> None:
    """BS31: every spelling of the overlay is seen."""
    assert find_kustomization(tmp_path) is None
    (tmp_path / spelling).write_text("resources: []\n")
    assert find_kustomization(tmp_path) == tmp_path / spelling


def test_an_overlay_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").mkdir()
    with pytest.raises(StepFailed, match=r'expected "kustomization.yaml" to be a file'):
        find_kustomization(tmp_path)


def test_what_is_listed(tmp_path: Path) -> None:
    files = {
        "gotk-components.yaml": MANIFEST,
        "z.yml": MANIFEST,
        "values.yaml": "a: b\n",
        "broken.yaml": "a: [\n",
        "no-such-day.yaml": MANIFEST + "spec: {d: 2024-13-45}\n",
        "notes.txt": MANIFEST,
        "below/deep/a.yaml": MANIFEST,
        "own/kustomization.yml": "resources: [b.yaml]\n",
        "own/b.yaml": MANIFEST,
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert resources_below(tmp_path) == ["below/deep/a.yaml", "gotk-components.yaml", "no-such-day.yaml", "own", "z.yml"]


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "clusters").symlink_to(tmp_path)
    with pytest.raises(StepFailed, match="leaves the repository through a symbolic link"):
        directory_in(tree, "./clusters", "flux-system")
