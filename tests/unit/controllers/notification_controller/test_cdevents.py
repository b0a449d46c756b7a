"""Which bodies are events of CDEvents v0.4."""

from typing import Any

import pytest

from fleetloop.controllers.notification.cdevents import check_cdevent
from fleetloop.controllers.notification.verification_errors import Unverified

DEPLOYED = {"environment": {"id": "prod"}, "artifactId": "pkg:oci/app"}


def cdevent(type: str, content: dict[str, Any], version: str = "0.4.1") -> dict[str, Any]:
    context = {"version": version, "id": "1", "source": "/ci", "type": type, "timestamp": "2026-01-02T03:04:05Z"}
    return {"context": context, "subject": {"id": "x", "content": content}}


@pytest.mark.parametrize(
    ("type", "content"),
    [
        ("dev.cdevents.artifact.published.0.2.0", {}),
        ("dev.cdevents.service.deployed.0.2.0", DEPLOYED),
        ("dev.cdevents.service.removed.0.2.0", {"environment": {"id": "prod"}}),
        ("dev.cdevents.artifact.packaged.0.2.0", {"change": {"id": "1"}}),
    ],
)
def test_events(type: str, content: dict[str, Any]) -> None:
    check_cdevent(cdevent(type, content))


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (cdevent("dev.cdevents.artifact.invented.0.2.0", {}), "no type 'dev.cdevents.artifact.invented.0.2.0'"),
        (cdevent("dev.cdevents.artifact", {}), "no type"),
        (cdevent("dev.cdevents.artifact.published", {}), "no type"),
        (cdevent("com.example.artifact.published.0.2.0", {}), "no type"),
        (cdevent("dev.cdevents.service.deployed.0.2.0", {"environment": {"id": "prod"}}), "must have artifactId"),
        (cdevent("dev.cdevents.testsuiterun.queued.0.2.0", {}), "'testsuiterun.queued' must have environment"),
        (cdevent("dev.cdevents.artifact.published.0.2.0", {}, version="0.3.0"), "version 0.4"),
        ({"context": {}}, "context or subject is missing"),
    ],
)
def test_what_is_none(event: dict[str, Any], why: str) -> None:
    with pytest.raises(Unverified, match=why):
        check_cdevent(event)
