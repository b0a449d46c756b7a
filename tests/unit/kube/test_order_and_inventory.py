"""The order of applying, and how owned objects are written down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetloop.kube.inventory import id_of, ref_from, stale
from fleetloop.kube.objects import ObjectRef, ref_of
from fleetloop.kube.stages import in_order, stages_of
from fleetloop.kube.switches import is_ignored, says


def ref(kind: str, name: str = "x", namespace: str = "", group: str = "") -> ObjectRef:
    return ObjectRef(f"{group}/v1" if group else "v1", kind, namespace, name)


def manifest(kind: str, name: str = "x", api_version: str = "v1") -> dict[str, object]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


def test_stages_sk26() -> None:
    """SK26: definitions, then classes, then the custom kinds, then the rest; webhooks last."""
    objects = [
        manifest("ValidatingWebhookConfiguration"),
        manifest("Widget", api_version="acme.io/v1"),
        manifest("Deployment"),
        manifest("Foo", api_version="foo.io/v1"),
        manifest("IngressClass"),
        manifest("ServiceAccount"),
        manifest("Namespace"),
        manifest("CustomResourceDefinition"),
    ]
    stages = stages_of(objects, {("foo.io", "Foo")})
    kinds = [[ref_of(m).kind for m in stage] for stage in stages]
    assert kinds == [
        ["CustomResourceDefinition", "Namespace"],
        ["IngressClass"],
        ["Foo"],
        ["ServiceAccount", "Deployment", "Widget", "ValidatingWebhookConfiguration"],
    ]


def test_order_within_a_kind_is_by_namespace_and_name() -> None:
    refs = [ref("ConfigMap", "b", "z"), ref("ConfigMap", "a", "z"), ref("ConfigMap", "z", "a")]
    assert [(r.namespace, r.name) for r in in_order(refs)] == [("a", "z"), ("z", "a"), ("z", "b")]


@pytest.mark.parametrize(
    ("owned", "written"),
    [
        (ref("ConfigMap", "settings", "default"), "default_settings__ConfigMap"),
        (ref("Namespace", "team"), "_team__Namespace"),
        (ref("Deployment", "d", "ns", "apps"), "ns_d_apps_Deployment"),
        (
            ref("ClusterRole", "system:node", "", "rbac.authorization.k8s.io"),
            "_system__node_rbac.authorization.k8s.io_ClusterRole",
        ),
    ],
)
def test_inventory_ids(owned: ObjectRef, written: str) -> None:
    assert id_of(owned) == written
    assert ref_from(written, "v1") == owned


NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True)


@given(
    namespace=NAMES, name=NAMES, group=st.one_of(st.just(""), NAMES), kind=st.from_regex("[A-Z][A-Za-z]{0,20}", fullmatch=True)
)
def test_inventory_round_trip(namespace: str, name: str, group: str, kind: str) -> None:
    owned = ref(kind, name, namespace, group)
    assert ref_from(id_of(owned), "v1") == owned


def test_malformed_inventory_id_is_named() -> None:
    with pytest.raises(ValueError, match="'a_b' is malformed"):
        ref_from("a_b", "v1")


def test_a_new_version_is_the_same_object() -> None:
    old = ObjectRef("batch/v1beta1", "CronJob", "n", "c")
    assert stale([old, ref("Secret")], [ObjectRef("batch/v1", "CronJob", "n", "c")]) == [ref("Secret")]


@pytest.mark.parametrize("place", ["labels", "annotations"])
def test_switches_count_in_labels_and_annotations(place: str) -> None:
    found = {"metadata": {place: {"kustomize.toolkit.fluxcd.io/reconcile": "Disabled"}}}
    assert is_ignored(found)
    assert not says(found, "prune", "disabled")
    assert not is_ignored({"metadata": {}})
