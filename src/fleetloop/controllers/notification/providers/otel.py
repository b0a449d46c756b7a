"""OpenTelemetry: a span an event, those of one revision in one trace; OTLP over HTTP in Protocol Buffers."""

import hashlib
import secrets
import time
from urllib.parse import urlsplit

from fleetloop.api.event import Event
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.providers import protobuf as pb
from fleetloop.controllers.notification.providers.sending import address_of

_SCOPE = "flux:notification-controller"
_SCHEMA = "https://opentelemetry.io/schemas/1.34.0"
_OK, _ERROR, _INTERNAL = 1, 2, 1
_SAMPLED_LOCAL = 0x101  # flags of a span: sampled, and known to have no remote parent


async def send(note: Note, http: Http) -> None:
    """A login goes along only among the Secret's `headers`."""
    if note.event.involved_object.kind == "HelmRepository":
        return
    url = address_of(note)
    if urlsplit(url).path in ("", "/"):
        url = url.rstrip("/") + "/v1/traces"
    headers = {"Content-Type": "application/x-protobuf", **note.access.headers}
    if note.access.headers and note.access.token:
        headers = {"Authorization": f"Bearer {note.access.token}", **headers}
    await http.send(note.access, "POST", url, headers, trace_of(note, secrets.token_bytes(8), time.time_ns()))


def revision_of(event: Event) -> str:
    """What all events of one change have in common."""
    metadata = event.metadata
    if (version := metadata.get("app-version")) and (digest := metadata.get("oci-digest")):
        return f"{version}@{digest}"
    return metadata.get("revision") or "unknown"


def trace_of(note: Note, span_id: bytes, end: int) -> bytes:
    """`end`: nanoseconds since 1970."""
    event, about, alert = note.event, note.event.involved_object, note.alert
    trace_id = hashlib.sha256(f"{alert.metadata.uid}:{revision_of(event)}".encode()).digest()[:16]
    attributes = {
        "object.uid": about.uid,
        "object.kind": about.kind,
        "object.name": about.name,
        "object.namespace": about.namespace,
        **dict(sorted(event.metadata.items())),
    }
    status = pb.text(2, event.message if note.is_error else "") + pb.number(3, _ERROR if note.is_error else _OK)
    span = b"".join(
        (
            pb.message(1, trace_id),
            pb.message(2, span_id),
            pb.text(5, f"{about.kind}: {about.namespace}/{about.name}"),
            pb.number(6, _INTERNAL),
            pb.fixed64(7, int(event.timestamp.timestamp() * 1e9)),
            pb.fixed64(8, end),
            *(pb.message(9, _attribute(key, value)) for key, value in attributes.items()),
            pb.message(15, status),
            pb.fixed32(16, _SAMPLED_LOCAL),
        )
    )
    service = {
        "service.instance.id": alert.metadata.uid,
        "service.name": f"{alert.namespace}/{alert.name}",
        "service.namespace": alert.namespace,
    }
    resource = b"".join(pb.message(1, _attribute(key, value)) for key, value in service.items())
    spans = pb.message(1, pb.text(1, _SCOPE)) + pb.message(2, span)
    return pb.message(1, pb.message(1, resource) + pb.message(2, spans) + pb.text(3, _SCHEMA))


def _attribute(key: str, value: str) -> bytes:
    return pb.text(1, key) + pb.message(2, pb.text(1, value))
