"""Why an object cannot be applied, in words that lead to the place to mend."""

from typing import Any

import pytest

from fleetloop.kube.discovery import Resource
from fleetloop.kube.errors import ApiError
from fleetloop.kube.normal_form import normalized
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.kube.refusals import LONGEST, Refusal, hint_for, masked
from fleetloop.kube.unknown_fields import pointer_to, without_unknown_fields

SERVED = [
    Resource("v1", "ConfigMap", "configmaps", True),
    Resource("v1", "Service", "services", True),
    Resource("v1", "Event", "events", True),
    Resource("events.k8s.io/v1", "Event", "events", True),
    Resource("apps/v1", "Deployment", "deployments", True),
    Resource("apps/v1", "DaemonSet", "daemonsets", True),
    Resource("batch/v1", "CronJob", "cronjobs", True),
    Resource("batch/v1", "Job", "jobs", True),
    Resource("networking.k8s.io/v1", "Ingress", "ingresses", True),
    Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", True),
]


@pytest.mark.parametrize(
    ("api_version", "kind", "hint"),
    [
        ("extensions/v1beta1", "Deployment", "apps/v1 Deployment"),
        ("v1", "Deployment", "apps/v1 Deployment"),
        ("app/v1", "Deployment", "apps/v1 Deployment"),
        ("apps/v1", "deployment", "apps/v1 Deployment"),
        ("apps/v1", "Deploymnet", "apps/v1 Deployment"),
        ("batch/v1", "Cronjob", "batch/v1 CronJob"),
        ("batch/v1beta1", "CronJob", "batch/v1 CronJob"),
        ("v1", "configmap", "v1 ConfigMap"),
        ("v2", "ConfigMap", "v1 ConfigMap"),
        ("networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/v1 Ingress"),
        ("events.k8s.io/v1beta1", "Event", "events.k8s.io/v1 Event"),
        ("example.com/v1", "Widget", ""),
    ],
)
def test_the_likest_kind_is_named(api_version: str, kind: str, hint: str) -> None:
    found = hint_for(ObjectRef(api_version, kind, "apps", "x"), SERVED)
    assert found == (f", did you mean {hint}?" if hint else "")


def manifest(kind: str = "ConfigMap", **fields: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "db", "namespace": "apps"}, **fields}


def test_object_reason_and_file() -> None:
    refusal = Refusal(manifest(), "dry-run failed (Invalid): no", file="apps/db.yaml")
    assert str(refusal) == "ConfigMap/apps/db dry-run failed (Invalid): no (in apps/db.yaml)"
    assert str(Refusal(manifest(), "no")) == "ConfigMap/apps/db no"
    assert len(str(Refusal(manifest(), "x" * 100_000))) < LONGEST + 100


def test_values_of_secrets_are_never_quoted() -> None:
    secret = manifest("Secret", data={"a": "aHVudGVyMg==", "b": 4711}, stringData={"c": "other secret"})
    words = masked("Invalid value: hunter2 aHVudGVyMg== {Value:4711} other secret", secret)
    assert words == "Invalid value: *** *** {Value:***} ***"
    assert masked("Invalid value: hunter2", manifest(data={"a": "hunter2"})) == "Invalid value: hunter2"


def typed(*lines: str) -> ApiError:
    joined = lines[0] if len(lines) == 1 else "errors:\n  " + "\n  ".join(lines)
    return ApiError(500, "InternalError", f"failed to create typed patch object (apps/web; apps/v1, Kind=Deployment): {joined}")


def deployment() -> Manifest:
    container = {"name": "web", "image": "x", "imge": "y", "ports": [{"containerPort": 80, "protocol": "TCP", "prot": 1}]}
    spec = {"replcas": 1, "template": {"spec": {"containers": [{"name": "other"}, container]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec, "specs": 1}


UNKNOWN = (
    ".specs: field not declared in schema",
    ".spec.replcas: field not declared in schema",
    '.spec.template.spec.containers[name="web"].imge: field not declared in schema',
    '.spec.template.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"].prot: field not declared in schema',
)


def test_fields_that_the_api_does_not_have_are_left_out_and_named() -> None:
    smaller, dropped = without_unknown_fields(deployment(), typed(*UNKNOWN))
    assert dropped[0] == "specs"
    assert len(dropped) == 4
    container = smaller["spec"]["template"]["spec"]["containers"][1]
    assert container == {"name": "web", "image": "x", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
    assert "replcas" not in smaller["spec"]
    assert "specs" not in smaller


def test_custom_resources_and_roles_are_refused_as_they_are() -> None:
    for changed in ({"apiVersion": "example.com/v1"}, {"apiVersion": "gateway.networking.k8s.io/v1"}, {"kind": "ClusterRole"}):
        found = deployment() | changed
        assert without_unknown_fields(found, typed(*UNKNOWN)) == (found, ())
    wrong = typed(".spec.replicas: expected numeric (int or float), got string")
    assert without_unknown_fields(deployment(), wrong)[1] == ()
    assert without_unknown_fields(deployment(), typed(".spec.nowhere: field not declared in schema"))[1] == ()


def test_paths_of_the_server_become_pointers() -> None:
    assert pointer_to({"rules": [{"foo": 1}]}, ".rules[0].foo") == ("rules", "0", "foo")
    assert pointer_to({"a": 1}, ".b") is None


@pytest.mark.parametrize(
    ("bundle", "stays"),
    [("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==", True), ("Cg==", False), ("not base64!", False), ("", False)],
)
def test_a_definition_loses_a_ca_bundle_that_is_none(bundle: str, stays: bool) -> None:
    client = {"service": {"name": "s", "namespace": "n"}, "caBundle": bundle}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "x"},
        "spec": {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": client}}},
    }
    found = normalized(definition)["spec"]["conversion"]["webhook"]["clientConfig"]
    assert ("caBundle" in found) == stays
    assert found["service"] == client["service"]
