"""Arguments, variables and paths as a container of a started pod has them."""

from pathlib import Path
from typing import Any

import pytest

from fleetloop.local.node.components import component_of, image_name
from fleetloop.local.node.container_view import (
    MissingReference,
    Mount,
    Sources,
    environment_of,
    expand,
    resource_field,
    translate,
)

SOURCES = Sources(
    secrets={"s": {"password": b"geheim"}},
    config_maps={"c": {"level": b"debug", "mode": b"fast"}},
)
POD: dict[str, Any] = {
    "metadata": {"name": "p-1", "namespace": "flux-system", "labels": {"app": "p", "b": "2"}, "annotations": {"a/b": "c"}},
    "spec": {"containers": [{"name": "manager", "resources": {"limits": {"memory": "1Gi", "cpu": "1500m"}}}], "nodeName": "n"},
    "status": {"podIP": "127.1.2.3"},
}


def variables(*env: dict[str, Any], **container: Any) -> dict[str, str]:
    return environment_of({"name": "manager", "env": list(env)} | container, POD, SOURCES)


def from_field(path: str) -> str:
    return variables({"name": "V", "valueFrom": {"fieldRef": {"fieldPath": path}}})["V"]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("http://x.$(NS).svc/", "http://x.flux-system.svc/"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(NS)", "$(NS)"),
        ("$NS ${NS}", "$NS ${NS}"),
        ("$(NS)$(NS)", "flux-systemflux-system"),
    ],
)
def test_expansion_is_the_kubelets(text: str, expanded: str) -> None:
    assert expand(text, {"NS": "flux-system"}) == expanded


def test_values_may_use_earlier_ones() -> None:
    assert variables({"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2"})["B"] == "12"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.namespace", "flux-system"),
        ("metadata.labels['app']", "p"),
        ("metadata.annotations['a/b']", "c"),
        ("metadata.labels", 'app="p"\nb="2"'),
        ("spec.nodeName", "n"),
        ("status.podIP", "127.1.2.3"),
        ("spec.serviceAccountName", ""),
    ],
)
def test_fields_of_the_pod(path: str, value: str) -> None:
    assert from_field(path) == value


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.memory"}, str(1 << 30)),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "1024"),
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "requests.cpu", "containerName": "manager"}, "0"),
    ],
)
def test_resources_of_the_container_are_rounded_up(reference: dict[str, Any], value: str) -> None:
    assert resource_field(reference, {"name": "manager"}, POD) == value


def test_values_of_secrets_and_config_maps() -> None:
    found = variables(
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
        {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "k", "optional": True}}},
        envFrom=[{"configMapRef": {"name": "c"}, "prefix": "C_"}],
    )
    assert found == {"C_level": "debug", "C_mode": "fast", "PASSWORD": "geheim"}


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"secretKeyRef": {"name": "gone", "key": "k"}}, 'secret "gone" not found'),
        ({"configMapKeyRef": {"name": "c", "key": "k"}}, "couldn't find key k in ConfigMap c"),
    ],
)
def test_what_is_missing_is_named(reference: dict[str, Any], message: str) -> None:
    with pytest.raises(MissingReference, match=message):
        variables({"name": "V", "valueFrom": reference})


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("--storage-path=/data", "--storage-path=/p/data"),
        ("/data/x", "/p/data/x"),
        ("/data/deep/y", "/p/deep/y"),
        ("/database", "/database"),
        ("--flag=/tmp", "--flag=/p/tmp"),
        ("--flag", "--flag"),
        ("http://x/data", "http://x/data"),
        ("a=/data", "a=/data"),
    ],
)
def test_paths_of_mounts_are_translated(text: str, translated: str) -> None:
    mounts = [Mount("/data", Path("/p/data")), Mount("/tmp/", Path("/p/tmp")), Mount("/data/deep", Path("/p/deep"))]
    assert translate(text, mounts) == translated


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("ghcr.io/fleetloop/source-controller:v1", "source-controller"),
        ("localhost:5000/helm-controller", "helm-controller"),
        ("r.io/x/source-watcher:v1@sha256:abc", "source-watcher"),
        ("nginx", "nginx"),
    ],
)
def test_names_of_images(image: str, name: str) -> None:
    assert image_name(image) == name


@pytest.mark.parametrize(
    ("container", "image", "component"),
    [
        ("manager", "r.io/any/kustomize-controller:v1", "kustomize-controller"),
        ("manager", "r.io/any/other-controller:v1", ""),
        ("web", "r.io/any/kustomize-controller:v1", ""),
    ],
)
def test_components_are_told_by_container_and_image(container: str, image: str, component: str) -> None:
    assert component_of({"spec": {"containers": [{"name": container, "image": image}]}}) == component
