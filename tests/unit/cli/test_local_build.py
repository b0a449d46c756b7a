"""Kustomizations in files, and how far up a local build may read."""

from pathlib import Path

import pytest

from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.local_build import BuildFlags, kustomization_in, source_root

FILE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: apps}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: other}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps}
spec: {prune: true}
"""


def test_the_namespace_of_a_file_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "ks.yaml"
    path.write_text(FILE)
    assert kustomization_in(str(path), "apps", "flux-system")["spec"] == {"prune": True}
    assert kustomization_in(str(path), "apps", "flux-system")["metadata"] == {"name": "apps", "namespace": "flux-system"}
    assert kustomization_in(str(path), "apps", "other")["spec"] == {}
    with pytest.raises(CliError) as missing:
        kustomization_in(str(path), "nope", "flux-system")
    wanted = f"name 'nope' and namespace 'flux-system' in file '{path}'"
    assert str(missing.value) == f"failed to get kustomization object: failed find kustomization with {wanted}"


def test_broken_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(CliError, match=r"failed to unmarshall kustomization file .*bad\.yaml: line [12]: "):
        kustomization_in(str(tmp_path / "bad.yaml"), "apps", "flux-system")
    with pytest.raises(CliError, match=r"failed to read kustomization file .*: no such file or directory"):
        kustomization_in(str(tmp_path / "nope.yaml"), "apps", "flux-system")


def test_a_build_reads_no_further_than_the_repository(tmp_path: Path) -> None:
    apps = tmp_path / "repo" / "clusters" / "apps"
    apps.mkdir(parents=True)
    assert source_root(apps, tmp_path) == tmp_path
    assert source_root(apps, Path("/elsewhere")) == apps
    (tmp_path / "repo" / ".git").mkdir()
    assert source_root(apps, tmp_path) == tmp_path / "repo"


@pytest.mark.parametrize(("path", "message"), [("", 'invalid resource path ""'), ("/nope", 'invalid resource path "/nope"')])
def test_the_path_must_be_a_directory(path: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        BuildFlags(path=path).check_path(2)
    assert (str(refused.value), refused.value.code) == (message, 2)
