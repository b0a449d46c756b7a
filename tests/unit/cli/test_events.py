"""What `events` shows, and of whom."""

from typing import Any

import pytest

from fleetloop.cli.errors import UsageError
from fleetloop.cli.events import Involved, last_seen, parse_subject, references_of, short_age


def obj(kind: str, spec: dict[str, Any], name: str = "x") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": "demo"}, "spec": spec}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (437, "7m17s"),
        (597, "9m57s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (49 * 3600, "2d1h"),
        (8 * 86400, "8d"),
        (3 * 365 * 86400 + 86400, "3y1d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert short_age(seconds) == text


@pytest.mark.parametrize(
    ("text", "subject"),
    [("", ("", "")), ("kustomization/apps", ("Kustomization", "apps")), ("HELMRELEASE", ("HelmRelease", ""))],
)
def test_subject(text: str, subject: tuple[str, str]) -> None:
    assert parse_subject(text) == subject


@pytest.mark.parametrize("text", ["hr", "ExternalArtifact/x", "Deployment/x", "Kustomization/", "/x"])
def test_subject_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_subject(text)


def test_what_an_object_is_made_from_belongs_to_its_story() -> None:
    chart = {"chart": {"spec": {"sourceRef": {"kind": "HelmRepository", "name": "charts", "namespace": "infra"}}}}
    assert references_of(obj("HelmRelease", chart)) == [
        Involved("HelmChart", "infra", "demo-x"),
        Involved("HelmRepository", "infra", "charts"),
    ]
    source = {"sourceRef": {"kind": "GitRepository", "name": "repo"}}
    assert references_of(obj("Kustomization", source)) == [Involved("GitRepository", "demo", "repo")]
    assert references_of(obj("Alert", {"providerRef": {"name": "slack"}})) == [Involved("Provider", "demo", "slack")]
    assert references_of(obj("ImagePolicy", {"imageRepositoryRef": {"name": "app"}})) == [
        Involved("ImageRepository", "demo", "app")
    ]
    assert references_of(obj("GitRepository", {})) == []


def test_a_release_by_chart_reference_has_a_story_too() -> None:
    """⚠ CLI38."""
    spec = {"chartRef": {"kind": "OCIRepository", "name": "app"}}
    assert references_of(obj("HelmRelease", spec)) == [Involved("OCIRepository", "demo", "app")]


def test_series_time_counts_before_the_last_timestamp() -> None:
    event = {"series": {"lastObservedTime": "2026-01-01T00:00:02Z"}, "lastTimestamp": "2026-01-01T00:00:01Z"}
    assert last_seen(event).second == 2
    assert last_seen({"eventTime": "2026-01-01T00:00:03Z"}).second == 3
    assert last_seen({}).year == 1
