"""Repositories written for older versions of the API apply unchanged."""

import json
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from fleetloop.api.kinds import KINDS
from fleetloop.api.old_versions import upgraded


def manifest(api_version: str, kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_old_version_becomes_the_current_one(kind: Any) -> None:
    for version in kind.deprecated_versions:
        old = manifest(f"{kind.group}/{version}", kind.kind, suspend=True)
        assert upgraded(old) == manifest(kind.api_version, kind.kind, suspend=True)


@pytest.mark.parametrize("other", [{}, {"apiVersion": "v1", "kind": "Secret"}, manifest("apps/v1", "Kustomization")])
def test_other_objects_stay_as_they_are(other: dict[str, Any]) -> None:
    assert upgraded(other) is other


def test_old_patches_of_a_kustomization_become_patches() -> None:
    merge = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}}
    operations = [{"op": "remove", "path": "/spec/replicas"}]
    old = manifest(
        "kustomize.toolkit.fluxcd.io/v1beta2",
        "Kustomization",
        validation="client",
        patchesJson6902=[{"patch": operations, "target": {"kind": "Deployment"}}],
        patches=[{"patch": "kind: Service"}],
        patchesStrategicMerge=[merge],
    )
    before = deepcopy(old)
    spec = upgraded(old)["spec"]
    assert old == before
    assert list(spec) == ["patches"]
    first, second, third = spec["patches"]
    assert json.loads(first["patch"]) == merge and "target" not in first
    assert second == {"patch": "kind: Service"}
    assert json.loads(third["patch"]) == operations and third["target"] == {"kind": "Deployment"}


def test_old_fields_of_a_helm_release_are_carried_over() -> None:
    old = manifest(
        "helm.toolkit.fluxcd.io/v2beta1",
        "HelmRelease",
        chart={"spec": {"chart": "podinfo", "valuesFile": "a.yaml", "valuesFiles": ["b.yaml"]}},
        postRenderers=[{"kustomize": {"images": [], "patchesStrategicMerge": [{"kind": "Pod"}]}}],
    )
    spec = upgraded(old)["spec"]
    assert spec["chart"]["spec"] == {"chart": "podinfo", "valuesFiles": ["a.yaml", "b.yaml"]}
    assert spec["postRenderers"] == [{"kustomize": {"images": [], "patches": [{"patch": '{"kind": "Pod"}'}]}}]


def test_fields_without_effect_are_dropped() -> None:
    group = "source.toolkit.fluxcd.io/v1beta2"
    old = manifest(group, "GitRepository", url="https://x/y", gitImplementation="libgit2", accessFrom={})
    assert upgraded(old)["spec"] == {"url": "https://x/y"}
    assert upgraded(manifest(group, "Bucket", bucketName="b", accessFrom={}))["spec"] == {"bucketName": "b"}
    chart = manifest(group, "HelmChart", chart="c", accessFrom={}, valuesFile="v.yaml")
    assert upgraded(chart)["spec"] == {"chart": "c", "valuesFiles": ["v.yaml"]}


@pytest.mark.parametrize("spec", [None, [], "x", {"patches": None}, {"chart": None}, {"chart": {"spec": 1}}])
def test_a_wrong_shape_is_left_to_the_api_server(spec: Any) -> None:
    for kind, version in [
        ("Kustomization", "kustomize.toolkit.fluxcd.io/v1beta2"),
        ("HelmRelease", "helm.toolkit.fluxcd.io/v2beta2"),
    ]:
        old = {"apiVersion": version, "kind": kind, "metadata": {}, "spec": spec}
        assert upgraded(old)["apiVersion"] != version


def test_the_result_decodes() -> None:
    kind = next(kind for kind in KINDS if kind.kind == "Kustomization")
    old = manifest(
        "kustomize.toolkit.fluxcd.io/v1beta1",
        "Kustomization",
        interval="5m",
        prune=True,
        sourceRef={"kind": "GitRepository", "name": "x"},
        patchesStrategicMerge=["kind: Pod"],
    )
    assert msgspec.convert(upgraded(old), kind.struct).spec.patches[0].patch == "kind: Pod"  # type: ignore[attr-defined]
