"""What `get` shows of an object."""

from typing import Any

import pytest

from fleetloop.cli.columns import columns_of, local_time, shortened
from fleetloop.cli.errors import CliError
from fleetloop.cli.get import StatusSelector, matches, parse_status_selector
from fleetloop.cli.subjects import BY_NAME

SHA = "1aed40469185f9aa631cff23efea14118025a00b"


def ready(status: str, message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": status, "message": message}]}


def shown(kind: str, show_source: bool = False, **parts: Any) -> dict[str, str]:
    obj = {"kind": kind, "metadata": {"name": "x", "namespace": "demo"}} | parts
    return {column.title: column.cell(obj) for column in columns_of(BY_NAME[kind], show_source=show_source)}


def test_kustomization() -> None:
    status = ready("True", f"Applied revision: main@sha1:{SHA}") | {"lastAppliedRevision": f"main@sha1:{SHA}"}
    assert shown("Kustomization", spec={"suspend": True}, status=status) == {
        "Revision": "main@sha1:1aed4046",
        "Suspended": "True",
        "Ready": "True",
        "Message": "Applied revision: main@sha1:1aed4046",
    }


def test_source_column_comes_first_and_takes_the_objects_namespace() -> None:
    spec = {"sourceRef": {"kind": "GitRepository", "name": "repo"}}
    found = shown("Kustomization", show_source=True, spec=spec)
    assert next(iter(found.items())) == ("Source", "GitRepository/demo/repo")
    spec = {"chartRef": {"kind": "OCIRepository", "name": "app", "namespace": "other"}}
    assert shown("HelmRelease", show_source=True, spec=spec)["Source"] == "OCIRepository/other/app"


def test_never_reconciled() -> None:
    assert shown("GitRepository", spec={}) == {
        "Revision": "",
        "Suspended": "False",
        "Ready": "False",
        "Message": "waiting to be reconciled",
    }


def test_only_kustomizations_and_sources_have_their_digests_cut() -> None:
    """⚠ CLI9."""
    message = f"chart with digest {SHA}"
    assert shown("OCIRepository", spec={}, status=ready("True", message))["Message"] == "chart with digest 1aed4046"
    assert shown("HelmRelease", spec={}, status=ready("True", message))["Message"] == message
    artifact = {"artifact": {"revision": f"1.0.0+{SHA}"}}
    assert shown("HelmChart", spec={}, status=artifact)["Revision"] == f"1.0.0+{SHA}"


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("a" * 39, "a" * 39),
        ("a" * 40, "a" * 8),
        ("f" * 128, "f" * 8),
        ("f" * 129, "f" * 129),
        (f"x{SHA}", f"x{SHA}"),  # no word boundary
        (f"sha256:{SHA}.", "sha256:1aed4046."),
    ],
)
def test_digests(text: str, cut: str) -> None:
    """⚠ CLI9."""
    assert shortened(text) == cut


def test_release_shows_the_latest_chart_else_the_attempted_one() -> None:
    history = {"history": [{"chartVersion": "1.1.0"}, {"chartVersion": "1.0.0"}], "lastAttemptedRevision": "2.0.0"}
    assert shown("HelmRelease", spec={}, status=history)["Revision"] == "1.1.0"
    assert shown("HelmRelease", spec={}, status={"lastAttemptedRevision": "2.0.0"})["Revision"] == "2.0.0"


def test_kinds_without_status_are_ready() -> None:
    assert shown("Alert", spec={}) == {"Suspended": "False", "Ready": "True", "Message": "Alert is Ready"}
    assert shown("Provider", spec={}) == {"Ready": "True", "Message": "Provider is Ready"}
    oci = shown("HelmRepository", spec={"type": "oci"}, status=ready("False", "x"))
    assert (oci["Ready"], oci["Message"]) == ("True", "Helm repository is Ready")


def test_other_kinds() -> None:
    policy = {"latestRef": {"name": "reg/app", "tag": "1.0"}}
    assert list(shown("ImagePolicy", spec={}, status=policy)) == ["Image", "Tag", "Ready", "Message"]
    assert list(shown("ImageRepository", spec={})) == ["Last scan", "Suspended", "Ready", "Message"]
    assert list(shown("ImageUpdateAutomation", spec={})) == ["Last run", "Suspended", "Ready", "Message"]
    external = shown("ExternalArtifact", spec={"sourceRef": {"kind": "ArtifactGenerator", "name": "g"}})
    assert external["Source"] == "ArtifactGenerator//g"
    generator = {"name": "g", "annotations": {"source.extensions.fluxcd.io/reconcile": "Disabled"}}
    assert shown("ArtifactGenerator", metadata=generator)["Suspended"] == "True"


def test_local_time_of_nothing() -> None:
    assert local_time("") == ""


@pytest.mark.parametrize(
    ("selector", "status", "fits"),
    [
        ("ready=true", ready("True"), True),
        ("READY=True", ready("True"), True),
        ("ready=false", ready("True"), False),
        ("ready!=true", ready("False"), True),
        ("ready!=true", {}, True),  # an absent condition matches nothing
        ("ready=false", {}, False),
    ],
)
def test_status_selector(selector: str, status: dict[str, Any], fits: bool) -> None:
    assert matches(BY_NAME["Kustomization"], {"status": status}, selector) is fits


def test_kinds_without_status_match_ready_only() -> None:
    assert matches(BY_NAME["Alert"], {}, "ready=true")
    assert not matches(BY_NAME["Alert"], {}, "ready!=false")


def test_status_selector_form() -> None:
    assert parse_status_selector("Stalled!=True") == StatusSelector("stalled", "true", equal=False)
    with pytest.raises(CliError, match="expected status selector in type=status or type!=status format, but found: ready"):
        parse_status_selector("ready")
