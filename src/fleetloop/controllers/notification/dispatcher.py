"""From an accepted event to the providers of the alerts it is for, as often as it takes.

Flux: helm-notification-image.md 3.2. Otherwise than there, an accepted event is on disk, and a provider that is away is tried
again for an hour, also by the next process: at least once, in order for each object.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from fleetloop.api.durations import InvalidDuration, seconds_of
from fleetloop.api.event import Event, event_of
from fleetloop.api.notification import Alert, Provider
from fleetloop.controllers.notification.access import AccessReader
from fleetloop.controllers.notification.delivery_errors import DeliveryFailed, TryAgain
from fleetloop.controllers.notification.event_metadata import merged
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.journal import Journal, Kept
from fleetloop.controllers.notification.lanes import Lanes
from fleetloop.controllers.notification.matching import filters_of, is_for, takes
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.providers.sending import Send
from fleetloop.controllers.notification.status_id import StatusIds
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.kube.objects import ObjectRef, labels_of
from fleetloop.runtime.clock import backoff
from fleetloop.runtime.events import Fact, Recorder
from fleetloop.runtime.log import logger

DEFAULT_TIMEOUT = 15.0  # seconds, for one try
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds
PATIENCE = 3600.0  # seconds in which a provider may come back
LANES = 8  # of a provider


@dataclass(slots=True)
class Dispatcher:
    """`alerts` and `find_provider` give objects as last seen. `now` in seconds since 1970."""

    kube: Kube
    recorder: Recorder
    http: Http
    access: AccessReader
    journal: Journal
    lanes: Lanes
    status_ids: StatusIds
    providers: Mapping[str, Send]
    alerts: Callable[[], Iterable[Alert]]
    find_provider: Callable[[str, str], Provider | None]
    no_cross_namespace: bool
    now: Callable[[], float]
    _open: dict[str, int] = field(default_factory=dict)  # deliveries of an event that are not settled

    async def dispatch(self, kept: Kept) -> None:
        """Puts it into the lanes of its providers; an event for nobody ends here, and so does one that meets a bug: it must not
        end the others, nor come again at each start."""
        try:
            await self._dispatch(kept, event_of(kept.raw))
        except Exception:
            logger().exception("dispatch ended by a bug")
            self._open[kept.id] = 0
            await self._settled(kept, "")

    async def _dispatch(self, kept: Kept, event: Event) -> None:
        labels = _LiveLabels(self.kube, event)
        notes: list[tuple[Alert, Provider]] = []
        for alert in self.alerts():
            if f"{alert.namespace}/{alert.name}" in kept.done or not await self._is_wanted(event, alert, labels):
                continue
            if provider := self._provider(event, alert):
                notes.append((alert, provider))
        self._open[kept.id] = len(notes)
        if not notes:
            await self._settled(kept, "")
        about = event.involved_object
        for alert, provider in notes:
            lane = (provider.namespace, provider.name, hash((about.kind, about.namespace, about.name)) % LANES)
            self.lanes.add(lane, lambda alert=alert: self._deliver(kept, event, alert))  # type: ignore[misc]

    async def _is_wanted(self, event: Event, alert: Alert, labels: "_LiveLabels") -> bool:
        try:
            if not await is_for(event, alert, labels.read):
                return False
        except (ApiError, Unreachable) as error:
            self._warn(alert, "SourceFetchFailed", f"failed to read {labels.ref} for matchLabels: {error}")
            return False
        filters = filters_of(alert)
        for problem in filters.broken:
            self._warn(alert, "InvalidConfig", problem)
        return filters.admit(event.message)

    def _provider(self, event: Event, alert: Alert) -> Provider | None:
        """Whom the alert tells, unless that is no news for it; what is wrong with it is said on the alert."""
        if self.no_cross_namespace and event.involved_object.namespace != alert.namespace:
            about = event.involved_object
            message = f"alert '{alert.namespace}/{alert.name}' cannot process event from source "
            message += f"'{about.kind}/{about.namespace}/{about.name}': cross-namespace references have been blocked"
            self._warn(alert, "NotificationDispatchFailed", f"failed to dispatch notification: {message}")
            return None
        name = alert.spec.provider_ref.name
        provider = self.find_provider(alert.namespace, name)
        if provider is None:
            message = f"failed to dispatch notification: provider '{alert.namespace}/{name}' not found"
            self._warn(alert, "NotificationDispatchFailed", message)
            return None
        return None if provider.spec.suspend or not takes(provider.spec.type, event) else provider

    async def _deliver(self, kept: Kept, event: Event, alert: Alert) -> None:
        """One delivery to its end: given, refused, or given up. Alert and Provider are read anew at each try."""
        failures = 0
        while True:
            try:
                await self._try(event, alert)
            except TryAgain as error:
                failures += 1
                gives_up = self.now() - kept.at > PATIENCE
                if failures == 1 or gives_up:
                    self._failed(event, alert, str(error), "" if gives_up else ", trying again")
                if gives_up:
                    break
                await asyncio.sleep(backoff(failures, FIRST_PAUSE, LONGEST_PAUSE))  # providers give no event to wait for
                continue
            except DeliveryFailed as error:
                self._failed(event, alert, str(error), "")
            except Exception:  # a bug about one event must not end the deliveries of all
                logger().exception("delivery ended by a bug", alert=f"{alert.namespace}/{alert.name}")
                self._failed(event, alert, "a bug of the controller, which its log tells of", "")
            break
        await self._settled(kept, f"{alert.namespace}/{alert.name}")

    async def _try(self, event: Event, alert: Alert) -> None:
        """Raises DeliveryFailed, TryAgain; their messages are masked."""
        provider = self.find_provider(alert.namespace, alert.spec.provider_ref.name)
        if provider is None or provider.spec.suspend:
            return
        send = self.providers.get(provider.spec.type)
        if send is None:
            raise DeliveryFailed(f"spec.type '{provider.spec.type}' is not available in this version")
        access = await self.access.of(provider)
        bare = self._with_metadata(event, alert)
        try:
            async with asyncio.timeout(_timeout_of(provider)):
                status_id = await self.status_ids.of(event, bare, alert, provider)
                await send(Note(bare, alert, provider, access, status_id), self.http)
        except TimeoutError:
            raise TryAgain("no answer in time") from None
        except DeliveryFailed as error:
            raise type(error)(access.masked(str(error))) from None

    def _with_metadata(self, event: Event, alert: Alert) -> Event:
        metadata, conflicts = merged(event, alert.spec.event_metadata, alert.spec.summary)
        if conflicts:
            message = f"failed to append metadata: keys given more than once, lower priority ignored: {', '.join(conflicts)}"
            self._warn(alert, "MetadataAppendFailed", message)
        return msgspec.structs.replace(event, metadata=metadata)

    async def _settled(self, kept: Kept, alert: str) -> None:
        """Written down, so that no other process gives it again."""
        self._open[kept.id] -= bool(alert)
        is_last = self._open[kept.id] <= 0
        if is_last:
            del self._open[kept.id]
        try:
            if alert and not is_last:
                await asyncio.to_thread(self.journal.delivered, kept.id, alert)
            if is_last:
                await asyncio.to_thread(self.journal.end, kept.id, self.now())
        except OSError as error:
            logger().error("delivery not written down", error=error.strerror)

    def _failed(self, event: Event, alert: Alert, reason: str, what_follows: str) -> None:
        about = event.involved_object
        message = f"failed to send notification for {about.kind}/{about.namespace}/{about.name}: {reason}{what_follows}"
        logger().error("failed to send notification", alert=f"{alert.namespace}/{alert.name}", error=reason)
        self._warn(alert, "NotificationDispatchFailed", message)

    def _warn(self, alert: Alert, reason: str, message: str) -> None:
        self.recorder.record(alert, Fact("Warning", reason, message, {}))


def _timeout_of(provider: Provider) -> float:
    try:
        return seconds_of(provider.spec.timeout) if provider.spec.timeout else DEFAULT_TIMEOUT
    except InvalidDuration:
        return DEFAULT_TIMEOUT


class _LiveLabels:
    """Of the event's object, read once."""

    def __init__(self, kube: Kube, event: Event) -> None:
        about = event.involved_object
        self.ref = ObjectRef(about.api_version, about.kind, about.namespace, about.name)
        self._kube = kube
        self._found: Mapping[str, str] | None = None

    async def read(self) -> Mapping[str, str]:
        """Raises ApiError, Unreachable."""
        if self._found is None:
            self._found = labels_of(await self._kube.get(self.ref))
        return self._found
