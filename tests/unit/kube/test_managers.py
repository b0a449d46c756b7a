"""Taking fields over from kubectl and alike."""

from typing import Any

from fleetloop.kube.managers import takeover_patch

OURS = "kustomize-controller"


def entry(manager: str, operation: str, fields: dict[str, Any], subresource: str = "") -> dict[str, Any]:
    found = {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields}
    return found | ({"subresource": subresource} if subresource else {})


def live(*entries: dict[str, Any], annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "7", "managedFields": list(entries), "annotations": annotations or {}}}


def test_nothing_to_take_is_no_patch() -> None:
    helm = entry("helm", "Apply", {"f:data": {}})
    status = entry("kubectl-x", "Update", {"f:status": {}}, "status")
    assert takeover_patch(live(entry(OURS, "Apply", {"f:data": {}}), helm, status), OURS) == []


def test_kubectl_fields_become_ours_under_the_seen_version() -> None:
    found = live(
        entry(OURS, "Apply", {"f:data": {"f:a": {}}}),
        entry("kubectl-edit", "Update", {"f:data": {"f:b": {}}}),
        entry("helm", "Apply", {"f:data": {"f:c": {}}}),
        annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    )
    fields, version, annotation = takeover_patch(found, OURS)
    kept, taken = fields["value"]  # type: ignore[misc]
    assert kept["manager"] == "helm"
    assert (taken["manager"], taken["operation"]) == (OURS, "Apply")
    assert taken["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}
    assert version["value"] == "7"
    assert annotation["path"] == "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"


def test_our_own_updates_and_named_managers_are_taken() -> None:
    assert takeover_patch(live(entry(OURS, "Update", {"f:data": {}})), OURS)
    assert takeover_patch(live(entry("old-tool", "Apply", {"f:data": {}})), OURS, ("old-tool",))
