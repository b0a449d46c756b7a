"""HN12: what makes two events the same, and for how long."""

import hashlib

import msgspec
import pytest

from fleetloop.api.event import Event
from fleetloop.controllers.notification.deduplication import Recent, key_of
from tests.unit.controllers.notification_controller.events import OWN, USERS, an_event

BASE = an_event(metadata={f"{OWN}revision": "main@sha1:a"})


def key(event: Event) -> str:
    return key_of(event, event.metadata)


def test_hn12_the_key_is_of_object_message_and_revision() -> None:
    text = "event/name=app/namespace=apps/kind=Kustomization/message=done/revision=main@sha1:a"
    assert key(BASE) == hashlib.sha256(text.encode()).hexdigest()


def test_hn12_the_order_of_what_tells_events_apart() -> None:
    metadata = {f"{OWN}token": "t", f"{OWN}revision": "r", f"{OWN}originRevision": "o"}
    text = "event/name=app/namespace=apps/kind=Kustomization/message=done/originRevision=o/revision=r/token=t"
    assert key(an_event(metadata=metadata)) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"reason": "Other"}, True),
        ({"severity": "error"}, True),
        ({"reporting_controller": "x"}, True),
        ({"metadata": {f"{OWN}revision": "main@sha1:a", f"{USERS}env": "prod"}}, True),
        ({"metadata": {f"{OWN}revision": "main@sha1:a", "other.group/revision": "x"}}, True),
        ({"metadata": {f"{OWN}revision": "main@sha1:b"}}, False),
        ({"metadata": {f"{OWN}revision": "main@sha1:a", f"{OWN}token": "1"}}, False),
        ({"metadata": {f"{OWN}revision": "main@sha1:a", f"{OWN}originRevision": "1"}}, False),
        ({"message": "other"}, False),
    ],
)
def test_hn12_what_counts(change: dict[str, object], is_same: bool) -> None:
    assert (key(msgspec.structs.replace(BASE, **change)) == key(BASE)) is is_same


def test_hn12_one_in_an_interval() -> None:
    recent = Recent(300.0)
    assert recent.left("k", 1000.0) == 0.0
    recent.remember("k", 1000.0)
    assert (recent.left("k", 1001.0), recent.left("other", 1001.0)) == (299.0, 0.0)
    assert recent.left("k", 1300.0) == 0.0


def test_a_clock_that_was_set_back_holds_nothing_back_for_ever() -> None:
    recent = Recent(300.0)
    recent.remember("k", 10_000.0)
    assert recent.left("k", 1000.0) == 0.0
