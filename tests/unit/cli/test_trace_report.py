"""Blocks of `trace` that the recorded objects do not have, and sizes of `stats`."""

from typing import Any

import pytest

from fleetloop.cli.stats import size_text
from fleetloop.cli.trace_report import Trail, report_of

REVISION, SOURCE = "org.opencontainers.image.revision", "org.opencontainers.image.source"


def made(kind: str, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "x", "namespace": "n"}, "spec": spec or {}, "status": status}


def last_block(owner: str, source: dict[str, Any]) -> str:
    return report_of(Trail(made("ConfigMap"), made(owner), None, source)).rpartition("---\n")[2]


def test_origin_of_an_artifact() -> None:
    artifact = {"revision": "v1@sha256:a", "metadata": {SOURCE: "https://git.example.com"}}
    source = made("OCIRepository", {"url": "oci://r/x", "ref": {"semver": ">1", "digest": "d"}}, artifact=artifact)
    assert last_block("Kustomization", source) == (
        "OCIRepository:   x\nNamespace:       n\nURL:             oci://r/x\nTag:             >1\n"
        "Revision:        v1@sha256:a\n\nOrigin Source:   https://git.example.com\nStatus:          Unknown\n"
    )
    assert "Origin" not in last_block("HelmRelease", source)


def test_an_external_artifact() -> None:
    source = made("ExternalArtifact", {"sourceRef": {"kind": "ArtifactGenerator", "name": "g"}})
    assert last_block("Kustomization", source).startswith(
        "ExternalArtifact:x\nNamespace:       n\nSource:          ArtifactGenerator/n/g\n"
    )


def test_widths_under_a_helm_release() -> None:
    assert last_block("HelmRelease", made("GitRepository", {"url": "u"})).startswith("GitRepository: x\nNamespace:     n\n")
    assert last_block("HelmRelease", made("OCIRepository", {"url": "u"})).startswith("OCIRepository:   x\n")


def test_empty_values_leave_their_line() -> None:
    assert "\nRevision:        \n" in report_of(Trail(made("ConfigMap"), made("Kustomization")))


@pytest.mark.parametrize(
    ("size", "text"), [(0, "-"), (550, "550 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (1 << 30, "1.0 GiB")]
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text
