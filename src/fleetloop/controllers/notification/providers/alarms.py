"""Services that wake people or keep what happened: Grafana, Alertmanager, Opsgenie, PagerDuty, Datadog, Sentry."""

import datetime
import secrets
import uuid
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from fleetloop.api.event import Event
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import go_json, object_label, timestamp_of
from fleetloop.controllers.notification.providers.reasons import PROGRESSING, words_of
from fleetloop.controllers.notification.providers.sending import address_of, bearer, channel_of, post_json, token_of

_NEVER = "0001-01-01T00:00:00Z"


async def send_grafana(note: Note, http: Http) -> None:
    """Dashboards split tags at colons."""
    event, about, access = note.event, note.event.involved_object, note.access
    tags = ["flux", event.reporting_controller]
    tags += [f"{key}: {value.replace(':', '|')}" for key, value in sorted(event.metadata.items())]
    tags += [f"kind: {about.kind}", f"name: {about.name}", f"namespace: {about.namespace}"]
    login = bearer(note)
    if not login and access.username:
        login = {"Authorization": aiohttp.encode_basic_auth(access.username, access.password)}
    content = {"when": _unix(event), "text": object_label(event), "tags": tags}
    await post_json(note, http, address_of(note), content, login)


async def send_alertmanager(note: Note, http: Http) -> None:
    event, about, access = note.event, note.event.involved_object, note.access
    metadata = dict(event.metadata)
    annotations = {"message": event.message}
    if summary := metadata.pop("summary", ""):
        annotations["summary"] = summary
    labels = {
        **metadata,
        "alertname": f"Flux{about.kind}{event.reason.capitalize()}",
        "severity": event.severity,
        "reason": event.reason,
        "kind": about.kind,
        "name": about.name,
        "namespace": about.namespace,
        "reportingcontroller": event.reporting_controller,
    }
    alert = {
        "status": "firing",
        "labels": dict(sorted(labels.items())),
        "annotations": annotations,
        "startsAt": timestamp_of(event),
        "endsAt": _NEVER,
    }
    login = bearer(note)
    if not login and access.username:
        login = {"Authorization": aiohttp.encode_basic_auth(access.username, access.password)}
    await post_json(note, http, address_of(note), [alert], login)


async def send_opsgenie(note: Note, http: Http) -> None:
    event, about = note.event, note.event.involved_object
    details = dict(sorted({**event.metadata, "severity": event.severity}.items()))
    content = {"message": f"{about.kind}/{about.name}", "description": event.message, "details": details}
    await post_json(note, http, address_of(note), content, {"Authorization": f"GenieKey {token_of(note)}"})


async def send_pagerduty(note: Note, http: Http) -> None:
    """An error opens an incident of the object, anything else closes it and is told as a change."""
    event, about = note.event, note.event.involved_object
    if event.reason == PROGRESSING:
        return
    parts = urlsplit(address_of(note))
    base, key = f"{parts.scheme}://{parts.netloc}", channel_of(note)
    incident: dict[str, Any] = {"routing_key": key, "event_action": "resolve", "dedup_key": about.uid}
    details = {"message": event.message, "metadata": dict(sorted(event.metadata.items()))}
    summary = f"{words_of(event.reason)}: {about.kind.lower()}/{about.name}"
    source = f"Flux {event.reporting_controller}"
    payload = {"summary": summary, "source": source}
    if note.is_error:
        payload |= {"severity": "error", "timestamp": timestamp_of(event), "component": about.name, "group": about.kind}
        incident = {**incident, "event_action": "trigger", "payload": {**payload, "custom_details": details}}
    await post_json(note, http, f"{base}/v2/enqueue", incident)
    if not note.is_error:
        change = {**payload, "timestamp": timestamp_of(event), "custom_details": details}
        await post_json(note, http, f"{base}/v2/change/enqueue", {"routing_key": key, "payload": change})


async def send_datadog(note: Note, http: Http) -> None:
    event, about = note.event, note.event.involved_object
    named = {
        "flux_reporting_controller": event.reporting_controller,
        "flux_reason": event.reason,
        "kube_kind": about.kind,
        "kube_name": about.name,
        "kube_namespace": about.namespace,
    }
    pairs = [*named.items(), *sorted(event.metadata.items())]
    content = {
        "alert_type": "error" if note.is_error else "info",
        "date_happened": _unix(event),
        "source_type_name": "fluxcd",
        "tags": [f"{key}:{value}".lower() for key, value in pairs],
        "text": event.message,
        "title": f"Events from the {about.kind} {about.name}/{about.namespace}",
    }
    headers = {"Accept": "application/json", "DD-API-KEY": token_of(note)}
    await post_json(note, http, address_of(note).rstrip("/") + "/api/v1/events", content, headers)


async def send_sentry(note: Note, http: Http) -> None:
    """`address` is a DSN: its user is the key. Errors are events, all else are transactions."""
    dsn = address_of(note)
    parts = urlsplit(dsn)
    path, _, project = parts.path.rpartition("/")
    if not parts.username or not project:
        raise DeliveryFailed("the address is no Sentry DSN")
    host = parts.netloc.rpartition("@")[2]
    now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
    id, item = uuid.uuid4().hex, go_json(_sentry_content(note))
    item = item[:-1] + b',"event_id":' + go_json(id) + b"}"
    kind = "event" if note.is_error else "transaction"
    head = go_json({"event_id": id, "sent_at": now, "dsn": dsn, "sdk": {"name": "fleetloop", "version": "1"}})
    body = b"\n".join((head, go_json({"type": kind, "length": len(item)}), item, b""))
    headers = {"Content-Type": "application/x-sentry-envelope"}  # the key is in the envelope
    await http.send(note.access, "POST", f"{parts.scheme}://{host}{path}/api/{project}/envelope/", headers, body)


def _sentry_content(note: Note) -> dict[str, Any]:
    event, about, when = note.event, note.event.involved_object, timestamp_of(note.event)
    metadata = dict(sorted(event.metadata.items()))
    content: dict[str, Any] = {
        "environment": note.channel or "production",
        "level": "error" if note.is_error else "info",
        "message": event.message,
        "platform": "other",
        "server_name": event.reporting_controller,
        "timestamp": when,
        "transaction": f"{about.kind}: {about.namespace}/{about.name}",
    }
    if note.is_error:
        return {**content, "contexts": {"metadata": metadata}}
    tags = metadata | {
        "flux_involved_object_kind": about.kind,
        "flux_involved_object_name": about.name,
        "flux_involved_object_namespace": about.namespace,
        "flux_reason": event.reason,
        "flux_reporting_controller": event.reporting_controller,
        "flux_reporting_instance": event.reporting_instance,
    }
    trace = {"trace_id": secrets.token_hex(16), "span_id": secrets.token_hex(8), "op": "event"}
    span = {**trace, "start_timestamp": when, "timestamp": when, "origin": "manual", "tags": tags}
    timing = {"type": "transaction", "start_timestamp": when, "spans": [span]}
    return {**content, **timing, "tags": tags, "contexts": {"trace": trace}}


def _unix(event: Event) -> int:
    return int(event.timestamp.timestamp())
