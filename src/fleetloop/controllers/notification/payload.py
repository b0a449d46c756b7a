"""An event's JSON byte for byte as receivers of signatures and transaction ids know it. Pure.

Go's encoder: fields in the order of the type, maps sorted, `<`, `>`, `&` and the two line separators of Unicode escaped.
"""

import json
from typing import Any

from fleetloop.api.event import Event

_ESCAPED = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def go_json(content: Any) -> bytes:
    """Compact; keys stay in the order given."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPED).encode()


def event_json(event: Event) -> bytes:
    return go_json(event_content(event))


def event_content(event: Event) -> dict[str, Any]:
    about = event.involved_object
    involved = {
        "kind": about.kind,
        "namespace": about.namespace,
        "name": about.name,
        "uid": about.uid,
        "apiVersion": about.api_version,
        "resourceVersion": about.resource_version,
    }
    content: dict[str, Any] = {
        "involvedObject": {key: value for key, value in involved.items() if value},
        "severity": event.severity,
        "timestamp": timestamp_of(event),
        "message": event.message,
        "reason": event.reason,
    }
    if event.metadata:
        content["metadata"] = dict(sorted(event.metadata.items()))
    content["reportingController"] = event.reporting_controller
    if event.reporting_instance:
        content["reportingInstance"] = event.reporting_instance
    return content


def timestamp_of(event: Event) -> str:
    """RFC 3339 in the zone the event came with; UTC is `Z`."""
    text = event.timestamp.isoformat()
    if "." in text:
        head, _, tail = text.partition(".")
        digits, zone = tail[:6].rstrip("0"), tail[6:]
        text = f"{head}.{digits}{zone}" if digits else head + zone
    return text.replace("+00:00", "Z")


def object_label(event: Event) -> str:
    """`kustomization/app.apps`, as texts for people name an object."""
    about = event.involved_object
    return f"{about.kind.lower()}/{about.name}.{about.namespace}"
