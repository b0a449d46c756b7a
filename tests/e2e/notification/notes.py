"""Notes as a dispatcher makes them, without a cluster."""

from typing import Any

from fleetloop.api.event import Event, event_of
from fleetloop.api.meta import LocalObjectReference, ObjectMeta
from fleetloop.api.notification import Alert, AlertSpec, Provider, ProviderSpec
from fleetloop.controllers.notification.access import Access
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import go_json
from fleetloop.controllers.notification.status_id import default_id
from tests.e2e.notification.conftest import REVISION, event

INFO = {"severity": "info", "reason": "ReconciliationSucceeded"}
ERROR = {"severity": "error", "reason": "HealthCheckFailed"}
MESSAGES = {
    "info": "Reconciliation finished in 1s, next run in 10m0s",
    "error": "health check failed: <b>&x</b> Deployment/s3/app",
}


def event_about(name: str, severity: str = "info", metadata: dict[str, str] | None = None, **fields: Any) -> Event:
    found = {"env": "prod", "summary": "cluster one", "revision": REVISION} if metadata is None else metadata
    kind = INFO if severity == "info" else ERROR
    message = f"{MESSAGES[severity]} [{name}]"
    return event_of(go_json(event("s3", f"app-{name}", message, **{**kind, "metadata": found, **fields})))


def note_of(type: str, event: Event, access: Access, uid: str = "", **spec: Any) -> Note:
    meta = ObjectMeta(name="provider", namespace="s3", uid=uid or "5ece36a8-0000-0000-0000-000000000000")
    api = "notification.toolkit.fluxcd.io/v1beta3"
    provider = Provider(api_version=api, kind="Provider", metadata=meta, spec=ProviderSpec(type=type, **spec))  # type: ignore[arg-type]
    alert_spec = AlertSpec(event_sources=(), provider_ref=LocalObjectReference(name="provider"))
    alert_meta = ObjectMeta(name="otel", namespace="s3", uid="c0dd8d82-c9cc-44f0-bbff-c2b9d4221536")
    alert = Alert(api_version=api, kind="Alert", metadata=alert_meta, spec=alert_spec)
    return Note(event, alert, provider, access, default_id(event, provider))
