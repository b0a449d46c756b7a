"""What is installed, against tests/cases/install.txt: every object with all its fields, but for versions and registry."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fleetloop import __version__
from fleetloop.api import yaml
from fleetloop.bootstrap.components import InstallOptions, documents, generate

CASE = (Path(__file__).parents[2] / "cases" / "install.txt").read_text()
ALL = (
    "source-controller",
    "kustomize-controller",
    "helm-controller",
    "notification-controller",
    "image-reflector-controller",
    "image-automation-controller",
    "source-watcher",
)
EVERYTHING = InstallOptions(components=ALL)
Manifest = dict[str, Any]


def published() -> dict[str, Manifest]:
    """`Kind namespace/name` -> apiVersion, labels, annotations, and the parts of the object."""
    text = re.sub(r"ghcr\.io/fluxcd/([a-z-]+):v[0-9.]+", rf"ghcr.io/fleetloop/\1:v{__version__}", CASE)
    text = text.replace("v2.9.4", f"v{__version__}")
    objects = {}
    for section in text.split("\n## ")[1:]:
        heading, *lines = section.strip().splitlines()
        if not lines[0].startswith("apiVersion: "):
            continue  # the labels of the CRDs
        version, labels, annotations = lines[0].split(" | ")
        facts = {
            "apiVersion": version.removeprefix("apiVersion: "),
            "labels": json.loads(labels.removeprefix("labels: ")),
            "annotations": json.loads(annotations.removeprefix("annotations: ")),
        }
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            facts[name] = json.loads(value)
        objects[heading] = facts
    return objects


def facts_of(manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    assert set(metadata) <= {"name", "namespace", "labels", "annotations"}
    facts = {
        "apiVersion": manifest["apiVersion"],
        "labels": metadata["labels"],
        "annotations": metadata.get("annotations", {}),
    }
    return facts | {name: value for name, value in manifest.items() if name not in ("apiVersion", "kind", "metadata")}


def heading_of(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']} " + "/".join(filter(None, [metadata.get("namespace"), metadata["name"]]))


def named(manifests: list[Manifest], heading: str) -> Manifest:
    return next(manifest for manifest in manifests if heading_of(manifest) == heading)


def container(options: InstallOptions, name: str) -> Manifest:
    pod = named(documents(options), f"Deployment {options.namespace}/{name}")["spec"]["template"]["spec"]
    result: Manifest = pod["containers"][0]
    return result


def test_order_of_documents() -> None:
    order = re.search(r"^order: (.*?) *$", CASE, re.M)
    assert order
    found = [f"{manifest['kind']}/{manifest['metadata']['name']}" for manifest in documents(EVERYTHING)]
    assert found == order[1].split(", ")


@pytest.mark.parametrize("heading", published())
def test_every_object_has_the_published_content(heading: str) -> None:
    assert facts_of(named(documents(EVERYTHING), heading)) == published()[heading]


def test_nothing_else_is_installed() -> None:
    others = [heading_of(manifest) for manifest in documents(EVERYTHING) if heading_of(manifest) not in published()]
    assert all(heading.startswith("CustomResourceDefinition ") for heading in others)
    assert len(others) == 15


def test_labels_of_the_crds() -> None:
    crds = {m["metadata"]["name"]: m["metadata"]["labels"] for m in documents(EVERYTHING) if "Resource" in m["kind"]}
    expected = re.findall(r"^  (\S+) (\{.*\})$", CASE.replace("v2.9.4", f"v{__version__}"), re.M)
    assert len(expected) == 15
    assert {name: crds[name] for name, _ in expected} == {name: json.loads(labels) for name, labels in expected}


def test_bs7_arguments_keep_their_positions() -> None:
    """BS7: arguments keep their positions."""
    options = InstallOptions(components=ALL, log_level="debug", watch_all_namespaces=False, cluster_domain="corp")
    address = "--events-addr=http://notification-controller.$(RUNTIME_NAMESPACE).svc.corp./"
    for name in ALL:
        args = container(options, name)["args"]
        first = [] if name == "notification-controller" else [address]
        assert args[: len(first) + 2] == [*first, "--watch-all-namespaces=false", "--log-level=debug"]
    for name in ("source-controller", "source-watcher"):
        assert container(options, name)["args"][6] == f"--storage-adv-addr={name}.$(RUNTIME_NAMESPACE).svc.corp."


def test_without_the_notification_controller_nobody_posts_events() -> None:
    options = InstallOptions(components=("source-controller", "kustomize-controller"))
    assert container(options, "source-controller")["args"][0] == "--events-addr="


@pytest.mark.parametrize(("extra", "gates"), [((), 0), (("source-watcher",), 1)])
def test_source_watcher_switches_external_artifacts_on(extra: tuple[str, ...], gates: int) -> None:
    options = InstallOptions(components=InstallOptions().components + extra)
    gate = "--feature-gates=ExternalArtifact=true"
    for name in ("kustomize-controller", "helm-controller"):
        assert container(options, name)["args"].count(gate) == gates
    assert gate not in container(options, "source-controller")["args"]


def test_components_come_in_the_order_of_the_flags() -> None:
    options = InstallOptions(components=("helm-controller", "source-controller"))
    deployments = [m["metadata"]["name"] for m in documents(options) if m["kind"] == "Deployment"]
    assert deployments == ["helm-controller", "source-controller"]
    assert "# Components: helm-controller,source-controller\n" in generate(options)


def test_bs4_a_component_given_twice_is_there_once() -> None:
    """BS4: a component given twice is there once."""
    options = InstallOptions(components=("source-controller", "kustomize-controller", "source-controller"))
    headings = [heading_of(manifest) for manifest in documents(options)]
    assert len(headings) == len(set(headings))
    assert "# Components: source-controller,kustomize-controller\n" in generate(options)


def test_bs8_another_namespace_renames_names_and_nothing_else() -> None:
    """BS8: another namespace renames names and nothing else."""
    here, there = documents(EVERYTHING), documents(InstallOptions(components=ALL, namespace="gitops"))
    for one, other in zip(here, there, strict=True):
        assert json.loads(json.dumps(one).replace("flux-system", "gitops")) == other
    odd = documents(InstallOptions(namespace="cluster"))  # is part of other names, which must not change
    assert named(odd, "ClusterRoleBinding cluster-reconciler-cluster")["roleRef"]["name"] == "cluster-admin"


def test_two_installations_share_no_object_but_the_crds() -> None:
    one, other = ({heading_of(m) for m in documents(InstallOptions(namespace=name))} for name in ("a", "b"))
    assert {heading.split()[0] for heading in one & other} == {"CustomResourceDefinition"}


def test_network_policies_can_be_left_out() -> None:
    assert not [m for m in documents(InstallOptions(network_policy=False)) if m["kind"] == "NetworkPolicy"]


@pytest.mark.parametrize(
    ("registry", "image"),
    [
        ("ghcr.io/fleetloop", f"ghcr.io/fleetloop/source-controller:v{__version__}"),
        ("localhost:5000/x", f"localhost:5000/x/source-controller:v{__version__}"),
        ("", f"fleetloop/source-controller:v{__version__}"),
    ],
)
def test_images_come_from_the_registry(registry: str, image: str) -> None:
    assert container(InstallOptions(registry=registry), "source-controller")["image"] == image


def test_pull_secret_and_tolerations_reach_every_pod() -> None:
    options = InstallOptions(components=ALL, image_pull_secret="regcred", toleration_keys=("a", "b"))
    pods = [m["spec"]["template"]["spec"] for m in documents(options) if m["kind"] == "Deployment"]
    assert len(pods) == len(ALL)
    for pod in pods:
        assert pod["imagePullSecrets"] == [{"name": "regcred"}]
        assert pod["tolerations"] == [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]


def test_the_file_opens_with_its_header_and_holds_the_documents() -> None:
    text = generate(EVERYTHING)
    assert text.startswith(
        "---\n"
        "# This manifest was generated by flux. DO NOT EDIT.\n"
        f"# Flux Version: v{__version__}\n"
        f"# Components: {','.join(ALL)}\n"
        "apiVersion: v1\nkind: Namespace\n"
    )
    assert yaml.load_all(text) == documents(EVERYTHING)


def test_callers_may_change_what_they_get() -> None:
    before = json.dumps(documents(EVERYTHING))

    def spoil(value: Any) -> None:
        for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            spoil(child)
        if isinstance(value, dict | list):
            value.clear()

    spoil(documents(EVERYTHING))
    assert json.dumps(documents(EVERYTHING)) == before
