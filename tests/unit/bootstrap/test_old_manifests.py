"""BS48: `migrate` in files."""

from pathlib import Path

import pytest

from fleetloop.bootstrap.errors import InvalidPlan
from fleetloop.bootstrap.old_manifests import Upgrade, manifests_below, targets_of, upgraded, upgrades_in
from tests.kit.say import Heard

KS = "kustomize.toolkit.fluxcd.io"
TEXT = f"""\
# a comment
apiVersion: {KS}/v1beta2   # old
kind: Kustomization
metadata:
  name: plain
---
kind: "Kustomization"
apiVersion: "{KS}/v1beta1"
spec:
  kind: HelmRelease
---
apiVersion: v1
kind: List
items:
- apiVersion: helm.toolkit.fluxcd.io/v2beta1
  metadata: {{name: a}}
  kind: HelmRelease
- kind: Kustomization
  metadata:
    name: b
  apiVersion: {KS}/v1beta2
- apiVersion: {KS}/v1
  kind: Kustomization
---
apiVersion: apps/v1
kind: Deployment
---
apiVersion: {KS}/v1beta2
spec:
  kind: Kustomization
"""


def test_bs48_quoted_and_kind_first_manifests_are_found_too() -> None:
    """BS48: quoted and kind first manifests are found too."""
    assert upgrades_in(TEXT, targets_of("")) == [
        Upgrade(2, "Kustomization", f"{KS}/v1beta2", f"{KS}/v1"),
        Upgrade(8, "Kustomization", f"{KS}/v1beta1", f"{KS}/v1"),
        Upgrade(15, "HelmRelease", "helm.toolkit.fluxcd.io/v2beta1", "helm.toolkit.fluxcd.io/v2"),
        Upgrade(21, "Kustomization", f"{KS}/v1beta2", f"{KS}/v1"),
    ]


def test_everything_else_stays_as_it_is() -> None:
    changed = upgraded(TEXT, upgrades_in(TEXT, targets_of("2.9")))
    assert changed.splitlines()[1] == f"apiVersion: {KS}/v1   # old"
    assert changed.splitlines()[7] == f'apiVersion: "{KS}/v1"'
    assert len(changed.splitlines()) == len(TEXT.splitlines())
    assert upgrades_in(changed, targets_of("")) == []


def test_line_ends_survive() -> None:
    text = f"apiVersion: {KS}/v1beta2\r\nkind: Kustomization\r\n"
    assert upgraded(text, upgrades_in(text, targets_of(""))) == f"apiVersion: {KS}/v1\r\nkind: Kustomization\r\n"


def test_what_a_release_knows() -> None:
    policy = ("image.toolkit.fluxcd.io/v1beta1", "ImagePolicy")
    assert targets_of("2.6")[policy] == "image.toolkit.fluxcd.io/v1beta2"
    assert targets_of("2.7")[policy] == "image.toolkit.fluxcd.io/v1"
    with pytest.raises(InvalidPlan, match=r"version 2.5 is not supported, supported versions are: 2.9, 2.8, 2.7, 2.6"):
        targets_of("2.5")


def test_which_files_are_looked_at(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml", "c.txt", "below/d.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    heard = Heard()
    found = [file.name for file in manifests_below(tmp_path, tmp_path, (".yaml", ".yml"), heard)]
    assert found == ["a.yaml", "b.yml", "d.yaml"]
    assert heard.lines == [f"⚠️ skipping irregular file {tmp_path / 'link.yaml'}"]


def test_files_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("")
    with pytest.raises(InvalidPlan, match=r"does not match the specified extensions: \.yaml, \.yml"):
        list(manifests_below(tmp_path / "c.txt", tmp_path, (".yaml", ".yml"), Heard()))
    with pytest.raises(InvalidPlan, match="must be inside the working directory"):
        list(manifests_below(tmp_path.parent, tmp_path, (".yaml",), Heard()))
    with pytest.raises(InvalidPlan, match=r"nope\.yaml does not exist"):
        list(manifests_below(tmp_path / "nope.yaml", tmp_path, (".yaml",), Heard()))
