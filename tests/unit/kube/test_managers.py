"""Taking fields over from kubectl and alike."""

from typing import Any

import pytest

from fleetloop.kube.managers import Takeover, takeover_patch

OURS = "kustomize-controller"
NOTHING: dict[str, Any] = {"metadata": {}}


def entry(manager: str, operation: str, fields: dict[str, Any], subresource: str = "") -> dict[str, Any]:
    found = {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    return found | ({"subresource": subresource} if subresource else {})


def live(*entries: dict[str, Any], annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"resourceVersion": "7", "managedFields": list(entries), "annotations": annotations or {}},
    }


def patch(found: dict[str, Any], *extra: str, migrates: bool = False) -> list[dict[str, Any]]:
    return takeover_patch(found, NOTHING, Takeover(OURS, extra, migrates))


def test_nothing_to_take_is_no_patch() -> None:
    helm = entry("helm", "Apply", {"f:data": {}})
    status = entry("kubectl-x", "Update", {"f:status": {}}, "status")
    assert patch(live(entry(OURS, "Apply", {"f:data": {}}), helm, status)) == []


def test_kubectl_fields_become_ours_under_the_seen_version() -> None:
    found = live(
        entry(OURS, "Apply", {"f:data": {"f:a": {}}}),
        entry("kubectl-edit", "Update", {"f:data": {"f:b": {}}}),
        entry("helm", "Apply", {"f:data": {"f:c": {}}}),
        annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    )
    fields, annotation, version = patch(found)
    kept, taken = fields["value"]
    assert kept["manager"] == "helm"
    assert (taken["manager"], taken["operation"]) == (OURS, "Apply")
    assert taken["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}
    assert version["value"] == "7"
    assert annotation["path"] == "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"


@pytest.mark.parametrize(
    ("manager", "operation", "is_taken"),
    [
        ("kubectl", "Apply", True),
        ("kubectl-client-side-apply", "Update", True),
        ("kubectl-edit", "Update", True),
        ("before-first-apply", "Update", True),
        ("before-first-apply", "Apply", False),
        (OURS, "Update", True),
        ("old-tool", "Apply", True),
        ("old-tool", "Update", True),
        ("old-tool-2", "Update", False),
        ("helm", "Update", False),
        ("flux-client-side-apply", "Update", False),
        ("kube-controller-manager", "Update", False),
    ],
)
def test_whose_fields_are_taken(manager: str, operation: str, is_taken: bool) -> None:
    assert bool(patch(live(entry(manager, operation, {"f:data": {}})), "old-tool")) == is_taken


def test_marks_of_other_tools_go_even_alone_unless_git_has_them() -> None:
    marked = live(annotations={"kustomize.toolkit.fluxcd.io/checksum": "x", "fluxcd.io/sync-checksum": "y", "other": "z"})
    marked["metadata"]["labels"] = {"fluxcd.io/sync-gc-mark": "x"}
    paths = [operation["path"] for operation in patch(marked)]
    assert paths == [
        "/metadata/annotations/kustomize.toolkit.fluxcd.io~1checksum",
        "/metadata/annotations/fluxcd.io~1sync-checksum",
        "/metadata/labels/fluxcd.io~1sync-gc-mark",
        "/metadata/resourceVersion",
    ]
    assert takeover_patch(marked, marked, Takeover(OURS)) == []


def test_a_restart_by_kubectl_is_not_undone() -> None:
    """Flux takes the annotation over and removes it, which starts the pods once more."""
    annotation: dict[str, Any] = {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}
    restart = entry("kubectl-rollout", "Update", {"f:spec": {"f:template": {"f:metadata": annotation}}})
    found = live(entry(OURS, "Apply", {}), restart)
    found["spec"] = {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}
    assert patch(found) == []


def test_entries_under_older_versions_are_rewritten_when_asked() -> None:
    old = entry(OURS, "Apply", {}) | {"apiVersion": "apps/v1beta1"}
    foreign = entry("helm", "Update", {}) | {"apiVersion": "apps/v1beta2"}
    other = entry("x", "Update", {}) | {"apiVersion": "extensions/v1beta1"}
    assert patch(live(old, foreign, other)) == []
    fields, _ = patch(live(old, foreign, other), migrates=True)
    assert [e["apiVersion"] for e in fields["value"]] == ["apps/v1", "apps/v1", "extensions/v1beta1"]
