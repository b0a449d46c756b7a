"""Events for the tests of notification-controller."""

from typing import Any

from fleetloop.api.event import Event, InvolvedObject
from fleetloop.api.meta import LocalObjectReference, ObjectMeta
from fleetloop.api.notification import Alert, AlertSpec, EventSource
from fleetloop.runtime.clock import utc_now

OWN, USERS = "kustomize.toolkit.fluxcd.io/", "event.toolkit.fluxcd.io/"
API = "notification.toolkit.fluxcd.io/v1beta3"


def an_event(**fields: Any) -> Event:
    about = InvolvedObject(api_version=f"{OWN}v1", kind="Kustomization", name="app", namespace="apps", uid="u")
    defaults: dict[str, Any] = {
        "involved_object": about,
        "severity": "info",
        "timestamp": utc_now(),
        "message": "done",
        "reason": "ReconciliationSucceeded",
        "reporting_controller": "kustomize-controller",
    }
    return Event(**{**defaults, **fields})


def an_alert(*sources: EventSource, **spec: Any) -> Alert:
    found = sources or (EventSource(kind="Kustomization", name="*"),)
    body = AlertSpec(event_sources=found, provider_ref=LocalObjectReference(name="p"), **spec)
    return Alert(api_version=API, kind="Alert", metadata=ObjectMeta(name="a", namespace="apps"), spec=body)
