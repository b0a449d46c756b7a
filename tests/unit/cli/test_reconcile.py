"""What `reconcile` asks for, waits for and tells."""

import re
from typing import Any

import pytest

from fleetloop.cli.errors import CliError
from fleetloop.cli.readiness import is_ready, is_static
from fleetloop.cli.reconcile import _is_handled, now_text, result_of, source_of
from fleetloop.cli.subjects import BY_NAME

KUSTOMIZATION = BY_NAME["Kustomization"]


def manifest(kind: str, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    api = BY_NAME[kind]
    metadata = {"name": "x", "namespace": "demo", "generation": 1}
    return {"apiVersion": api.api_version, "kind": kind, "metadata": metadata, "spec": spec or {}, "status": status}


def conditions(ready: str, reason: str = "", message: str = "", reconciling: str = "") -> list[dict[str, str]]:
    found = [{"type": "Ready", "status": ready, "reason": reason, "message": message}]
    return [{"type": "Reconciling", "status": "True", "reason": reconciling, "message": ""}, *found] if reconciling else found


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("Kustomization", {"lastAppliedRevision": "main@sha1:a"}, "applied revision main@sha1:a"),
        ("HelmRelease", {"history": [{"chartVersion": "1.0.0"}]}, "applied revision 1.0.0"),
        ("GitRepository", {"artifact": {"revision": "main@sha1:a"}}, "fetched revision main@sha1:a"),
        ("Receiver", {}, "Receiver reconciliation completed"),
        ("ImageRepository", {"lastScanResult": {"tagCount": 3}}, "scan fetched 3 tags"),
        ("ImagePolicy", {"latestRef": {"name": "reg/app", "tag": "1"}}, "selected ref reg/app:1"),
        ("ImagePolicy", {"latestRef": {"name": "reg/app", "tag": "1", "digest": "sha256:d"}}, "selected ref reg/app:1@sha256:d"),
        ("ImageUpdateAutomation", {"conditions": conditions("True", message="repository up-to-date")}, "repository up-to-date"),
        ("ImageUpdateAutomation", {"lastAutomationRunTime": "2026-01-01T00:00:00Z"}, "last run 2026-01-01T00:00:00Z"),
        ("ImageUpdateAutomation", {}, "automation not yet run"),
    ],
)
def test_results(kind: str, status: dict[str, Any], text: str) -> None:
    assert result_of(BY_NAME[kind], manifest(kind, **status)) == text


@pytest.mark.parametrize("kind", ["GitRepository", "OCIRepository", "Bucket", "HelmChart", "ImageRepository", "ImagePolicy"])
def test_ready_without_what_the_line_tells(kind: str) -> None:
    """⚠ CLI26."""
    assert result_of(BY_NAME[kind], manifest(kind))


def test_sources() -> None:
    def source(kind: str, spec: dict[str, Any]) -> str:
        return str(source_of(manifest(kind, spec))[1])

    assert source("Kustomization", {"sourceRef": {"kind": "GitRepository", "name": "r"}}) == "GitRepository/demo/r"
    chart = {"chart": {"spec": {"sourceRef": {"kind": "HelmRepository", "name": "r", "namespace": "infra"}}}}
    assert source("HelmRelease", chart) == "HelmChart/infra/demo-x"
    assert source("HelmRelease", {"chartRef": {"kind": "OCIRepository", "name": "r"}}) == "OCIRepository/demo/r"
    assert source("HelmChart", {"sourceRef": {"kind": "HelmRepository", "name": "r"}}) == "HelmRepository/demo/r"
    with pytest.raises(CliError, match="cannot reconcile source of kind ExternalArtifact"):
        source("Kustomization", {"sourceRef": {"kind": "ExternalArtifact", "name": "r"}})


def test_any_change_of_what_was_handled_counts() -> None:
    """⚠ CLI24."""
    done = _is_handled(KUSTOMIZATION, "before")
    ready = {"conditions": conditions("True"), "observedGeneration": 1}
    assert not done(manifest("Kustomization", lastHandledReconcileAt="before", **ready))
    assert done(manifest("Kustomization", lastHandledReconcileAt="somebody else's", **ready))


def test_a_handled_request_that_failed_ends_the_wait_with_its_reason() -> None:
    """⚠ CLI8: no waiting for the timeout; ⚠ CLI25: the message bare for these kinds, quoted for others."""
    failed = conditions("False", "BuildFailed", "no such file", reconciling="ProgressingWithRetry")
    for kind, text in (
        ("Kustomization", "Kustomization reconciliation failed: no such file"),
        ("GitRepository", "GitRepository reconciliation failed: 'no such file'"),
    ):
        with pytest.raises(CliError) as caught:
            _is_handled(BY_NAME[kind], "before")(manifest(kind, lastHandledReconcileAt="now", conditions=failed))
        assert str(caught.value) == text


@pytest.mark.parametrize(
    ("reason", "reconciling"),
    [("DependencyNotReady", "ProgressingWithRetry"), ("ArtifactFailed", "ProgressingWithRetry"), ("Progressing", "Progressing")],
)
def test_what_somebody_else_will_end_is_waited_for(reason: str, reconciling: str) -> None:
    """⚠ CLI8."""
    status = conditions("False" if reason != "Progressing" else "Unknown", reason, reconciling=reconciling)
    assert not _is_handled(KUSTOMIZATION, None)(manifest("Kustomization", lastHandledReconcileAt="now", conditions=status))


def test_a_stall_ends_the_wait() -> None:
    stalled = [{"type": "Stalled", "status": "True", "reason": "AccessDenied", "message": "tenant b"}]
    with pytest.raises(CliError, match="tenant b"):
        _is_handled(KUSTOMIZATION, "before")(manifest("Kustomization", lastHandledReconcileAt="before", conditions=stalled))


def test_a_stall_in_this_generation_ends_the_wait_for_an_object_never_ready() -> None:
    """A Kustomization's observedGeneration does not follow a stall (SK21)."""
    stalled = {"type": "Stalled", "status": "True", "reason": "AccessDenied", "message": "tenant b", "observedGeneration": 1}
    status = {"observedGeneration": -1, "conditions": [stalled, *conditions("False", "AccessDenied", "tenant b")]}
    with pytest.raises(CliError, match="tenant b"):
        is_ready(KUSTOMIZATION, manifest("Kustomization", **status))
    stalled["observedGeneration"] = 0  # of what was wanted before
    assert not is_ready(KUSTOMIZATION, manifest("Kustomization", **status))


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({}, False),
        ({"observedGeneration": 1}, False),  # no Ready yet
        ({"observedGeneration": 1, "conditions": conditions("True")}, True),
        ({"observedGeneration": 1, "conditions": conditions("False")}, False),
        ({"observedGeneration": 2, "conditions": conditions("True")}, False),
        ({"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 3}]}, False),
    ],
)
def test_readiness(status: dict[str, Any], ready: bool) -> None:
    """⚠ CLI8: Ready=False is not ready yet, and no failure."""
    assert is_ready(KUSTOMIZATION, manifest("Kustomization", **status)) is ready


def test_static_objects_are_ready_at_once() -> None:
    assert is_ready(BY_NAME["Alert"], manifest("Alert"))
    assert is_static(BY_NAME["HelmRepository"], manifest("HelmRepository", {"type": "oci"}))
    assert not is_static(BY_NAME["HelmRepository"], manifest("HelmRepository"))


def test_an_oci_repository_that_no_controller_has_touched_is_not_ready() -> None:
    """⚠ CLI22: the CRD's own default of observedGeneration is -1."""
    assert not is_ready(BY_NAME["HelmRepository"], manifest("HelmRepository", {"type": "oci"}, observedGeneration=-1))


def test_token_is_a_time_with_nanoseconds_and_zone() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[-+]\d\d:\d\d)", now_text())
