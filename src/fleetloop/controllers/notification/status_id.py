"""Under which name a commit status stands: of the object and the Provider, or what an expression says.

Flux: helm-notification-image.md 3.4.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from fleetloop.api.event import Event
from fleetloop.api.meta import content_of
from fleetloop.api.notification import Alert, Provider
from fleetloop.controllers.notification.cel import Cel
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.matching import COMMIT_STATUSES
from fleetloop.controllers.notification.payload import event_json


@dataclass(frozen=True, slots=True)
class StatusIds:
    cel: Cel

    async def of(self, event: Event, bare: Event, alert: Alert, provider: Provider) -> str:
        """ "" for a type that has no commit status. `bare`: the event as receivers see it. Raises DeliveryFailed."""
        if provider.spec.type not in COMMIT_STATUSES:
            return ""
        if not provider.spec.commit_status_expr:
            return default_id(event, provider)
        variables = {
            "event": orjson.loads(event_json(bare)),
            "alert": _object(alert, content_of(alert.spec)),
            "provider": _object(provider, content_of(provider.spec)),
        }
        try:
            found = await self.cel.of(provider.namespace).text_of(provider.spec.commit_status_expr, variables)
        except ValueError as error:
            raise DeliveryFailed(f"spec.commitStatusExpr: {error}") from None
        if not found:
            raise DeliveryFailed("spec.commitStatusExpr gave an empty text")
        return found


def default_id(event: Event, provider: Provider) -> str:
    """`kustomization/app/0c9c2e41`: two clusters with the same objects have two statuses."""
    about = event.involved_object
    return f"{about.kind}/{about.name}/{provider.metadata.uid.partition('-')[0]}".lower()


def _object(obj: Alert | Provider, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = content_of(obj.metadata)
    return {"apiVersion": obj.api_version, "kind": obj.kind, "metadata": metadata, "spec": spec}
