"""One event on its way to one provider, with everything that its type may need."""

from dataclasses import dataclass

from fleetloop.api.event import Event
from fleetloop.api.notification import Alert, Provider
from fleetloop.controllers.notification.access import Access


@dataclass(frozen=True, slots=True)
class Note:
    """`event` has the metadata that receivers see. `status_id`: under which name a commit status stands."""

    event: Event
    alert: Alert
    provider: Provider
    access: Access
    status_id: str = ""

    @property
    def is_error(self) -> bool:
        return self.event.severity == "error"

    @property
    def sender(self) -> str:
        """Whose name a chat shows."""
        return self.provider.spec.username or self.event.reporting_controller

    @property
    def channel(self) -> str:
        return self.provider.spec.channel
