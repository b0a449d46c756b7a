"""Which alerts an event is for, and HN14: which providers take it."""

from collections.abc import Mapping

import pytest

from fleetloop.api.event import Event
from fleetloop.api.notification import Alert, EventSource
from fleetloop.controllers.notification.matching import CHANGE_REQUESTS, COMMIT_STATUSES, filters_of, is_for, takes
from tests.unit.controllers.notification_controller.events import OWN, USERS, an_alert, an_event


async def no_labels() -> Mapping[str, str]:
    raise AssertionError("nobody asked for labels")


def source(kind: str = "Kustomization", name: str = "*", **fields: object) -> EventSource:
    return EventSource(kind=kind, name=name, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("alert", "event", "wanted"),
    [
        (an_alert(), an_event(), True),
        (an_alert(source(name="app")), an_event(), True),
        (an_alert(source(name="other")), an_event(), False),
        (an_alert(source(kind="HelmRelease")), an_event(), False),
        (an_alert(source(namespace="other")), an_event(), False),
        (an_alert(source(api_version="other.group/v9")), an_event(), True),
        (an_alert(suspend=True), an_event(), False),
        (an_alert(), an_event(severity="error"), True),
        (an_alert(event_severity="error"), an_event(), False),
        (an_alert(event_severity="error"), an_event(severity="error"), True),
    ],
)
async def test_sources_and_severity(alert: Alert, event: Event, wanted: bool) -> None:
    assert await is_for(event, alert, no_labels) is wanted


@pytest.mark.parametrize(("labels", "wanted"), [({"team": "a", "x": "y"}, True), ({"team": "b"}, False), ({}, False)])
async def test_labels_of_the_live_object(labels: dict[str, str], wanted: bool) -> None:
    """With a concrete name too."""

    async def read() -> Mapping[str, str]:
        return labels

    for name in ("*", "app"):
        assert await is_for(an_event(), an_alert(source(name=name, match_labels={"team": "a"})), read) is wanted


@pytest.mark.parametrize(
    ("inclusion", "exclusion", "message", "wanted"),
    [
        ((), (), "any", True),
        (("^done",), (), "done", True),
        (("^done",), (), "not done", False),
        ((), ("one",), "is done", False),
        (("is",), ("done",), "is done", False),
        (("(",), (), "any", False),
        ((), ("(",), "any", True),
    ],
)
def test_inclusion_then_exclusion(inclusion: tuple[str, ...], exclusion: tuple[str, ...], message: str, wanted: bool) -> None:
    found = filters_of(an_alert(inclusion_list=inclusion, exclusion_list=exclusion))
    assert found.admit(message) is wanted
    assert len(found.broken) == ("(" in inclusion) + ("(" in exclusion)


def test_a_pattern_that_would_take_for_ever_elsewhere() -> None:
    found = filters_of(an_alert(inclusion_list=("(a+)+$",)))
    assert not found.admit("a" * 30_000 + "b")


UPDATE = an_event(metadata={f"{OWN}commit_status": "update"})
COMMIT = an_event(metadata={f"{USERS}commit": "x"})
REQUEST = an_event(metadata={f"{USERS}change_request": "1"})
ERROR = an_event(severity="error")
OTHER_GROUP = an_event(metadata={"helm.toolkit.fluxcd.io/commit_status": "update"})


@pytest.mark.parametrize("type", sorted(COMMIT_STATUSES))
def test_hn14_commit_statuses_take_updates_commits_and_errors(type: str) -> None:
    assert [takes(type, e) for e in (UPDATE, COMMIT, ERROR)] == [True] * 3
    assert [takes(type, e) for e in (an_event(), REQUEST, OTHER_GROUP)] == [False] * 3


@pytest.mark.parametrize("type", ["slack", "msteams", "githubdispatch", "alertmanager", "nats"])
def test_hn14_an_update_is_no_news_for_people(type: str) -> None:
    assert not takes(type, UPDATE)
    assert [takes(type, e) for e in (an_event(), COMMIT, ERROR, REQUEST)] == [True] * 4


@pytest.mark.parametrize("type", ["generic", "generic-hmac"])
def test_hn14_forwarders_take_everything(type: str) -> None:
    assert all(takes(type, e) for e in (an_event(), UPDATE, COMMIT, ERROR, REQUEST))


@pytest.mark.parametrize("type", sorted(CHANGE_REQUESTS))
def test_hn14_comments_need_a_change_request(type: str) -> None:
    assert takes(type, REQUEST)
    assert not any(takes(type, e) for e in (an_event(), UPDATE, COMMIT, ERROR))
