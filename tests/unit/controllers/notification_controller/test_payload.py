"""An event's JSON, byte for byte: signatures are of it."""

import datetime

from fleetloop.controllers.notification.payload import event_json, go_json
from fleetloop.controllers.notification.providers.reasons import words_of
from tests.unit.controllers.notification_controller.events import an_event


def test_escapes_of_go() -> None:
    assert go_json({"b": "<a>&\u2028é"}) == '{"b":"\\u003ca\\u003e\\u0026\\u2028é"}'.encode()


def test_order_and_what_is_left_out() -> None:
    event = an_event(timestamp=datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), metadata={"b": "1", "a": "2"})
    assert event_json(event) == (
        b'{"involvedObject":{"kind":"Kustomization","namespace":"apps","name":"app","uid":"u",'
        b'"apiVersion":"kustomize.toolkit.fluxcd.io/v1"},"severity":"info","timestamp":"2026-01-02T03:04:05Z",'
        b'"message":"done","reason":"ReconciliationSucceeded","metadata":{"a":"2","b":"1"},'
        b'"reportingController":"kustomize-controller"}'
    )


def test_reasons_as_words() -> None:
    assert words_of("HealthCheckFailed") == "health check failed"
    assert words_of("OCIArtifactFailed") == "oci artifact failed"
