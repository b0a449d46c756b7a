"""HN13: which metadata an event keeps, loses, and is shown with."""

from fleetloop.controllers.notification.event_metadata import cleaned, merged, without_token
from tests.unit.controllers.notification_controller.events import OWN, USERS, an_event


def test_hn13_digests_and_what_is_of_no_group_are_dropped() -> None:
    metadata = {
        f"{OWN}revision": "r",
        f"{OWN}checksum": "c",
        f"{OWN}digest": "d",
        f"{OWN}token": "t",
        f"{USERS}env": "prod",
        f"{USERS}digest": "kept",
        "helm.toolkit.fluxcd.io/revision": "x",
        "bare": "y",
    }
    event = an_event(metadata=metadata)
    kept = cleaned(event)
    assert kept == {f"{OWN}revision": "r", f"{OWN}token": "t", f"{USERS}env": "prod", f"{USERS}digest": "kept"}
    assert f"{OWN}token" not in without_token(event, kept)


def test_hn13_bare_keys_and_who_wins() -> None:
    """Object's annotations, alert's metadata, alert's summary, controller."""
    event = an_event(metadata={f"{OWN}revision": "r", f"{USERS}revision": "u", f"{USERS}env": "object", f"{USERS}summary": "s"})
    found, conflicts = merged(event, {"env": "alert", "summary": "m", "team": "a"}, "summary")
    assert found == {"revision": "r", "env": "alert", "summary": "summary", "team": "a"}
    assert set(conflicts) == {"env", "summary", "revision"}


def test_hn13_no_conflict_no_word() -> None:
    assert merged(an_event(metadata={f"{OWN}revision": "r"}), {"env": "prod"}, "")[1] == []
