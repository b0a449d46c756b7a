"""Tells people what happened: a Kubernetes Event for each fact, and a POST to the events address for all but traces.

Flux: helm-notification-image.md 1.5. Never raises: a lost event must not fail a pass; what could not be sent is logged.
"""

import asyncio
import collections
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import aiohttp
import msgspec

from fleetloop.api.event import LONGEST_MESSAGE, Event, InvolvedObject
from fleetloop.api.meta import Object
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, NotFound, Unreachable
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.log import logger
from fleetloop.runtime.outcome import Severity
from fleetloop.runtime.wording import shortened
from fleetloop.task_group import TaskGroup

LONGEST_EVENT_MESSAGE = 1024  # of a core Event's note
USER_PREFIX = "event.toolkit.fluxcd.io/"
POST_TIMEOUT = 5.0
POST_TRIES = 5
REMEMBERED = 4096
LANES = 8
WAITING_ROOM = 1000  # of each lane
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Fact:
    """Something a user may want to know of an object. `metadata` keys are short; they get the object's group as prefix.

    `stored`: as an Event of the API server too, not only told to receivers.
    """

    severity: Severity
    reason: str
    message: str
    metadata: Mapping[str, str]
    stored: bool = True


_Lane: TypeAlias = asyncio.Queue[tuple[Object, Fact]]


class Recorder:
    """`run` sends what `record` was told, apart from the passes, and in order for each object."""

    def __init__(self, kube: Kube, session: aiohttp.ClientSession, component: str, address: str, hostname: str) -> None:
        self._kube = kube
        self._session = session
        self._component = component
        self._address = address
        self._hostname = hostname
        self._lanes: tuple[_Lane, ...] = tuple(asyncio.Queue(WAITING_ROOM) for _ in range(LANES))
        self._known: collections.OrderedDict[str, tuple[str, int]] = collections.OrderedDict()  # fact -> event name, count
        self._receiver_down = False

    def record(self, obj: Object, fact: Fact) -> None:
        try:
            self._lanes[hash(obj.metadata.uid) % LANES].put_nowait((obj, fact))
        except asyncio.QueueFull:
            logger().error("event dropped, too many are waiting", name=obj.name, namespace=obj.namespace, reason=fact.reason)

    async def run(self) -> None:
        async with TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(self._serve(lane))

    async def flush(self) -> None:
        """Until everything recorded was sent."""
        for lane in self._lanes:
            await lane.join()

    async def _serve(self, lane: _Lane) -> None:
        while True:
            obj, fact = await lane.get()
            if fact.stored:
                await self._store(obj, fact)
            if fact.severity != "Trace" and self._address:
                await self._post(obj, fact)
            lane.task_done()

    async def _store(self, obj: Object, fact: Fact) -> None:
        words = (obj.metadata.uid, fact.severity, fact.reason, fact.message, *sorted(full_metadata(obj, fact).items()))
        digest = hashlib.sha256(repr(words).encode()).hexdigest()
        known = self._known.get(digest)
        try:
            if known and await self._count_again(obj, *known):
                self._known[digest] = (known[0], known[1] + 1)
                return
            created = await self._kube.create(core_event(obj, fact, self._component, self._hostname))
            self._known[digest] = (created["metadata"]["name"], 1)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        except (ApiError, Unreachable) as error:
            logger().error("event not stored", error=str(error), reason=fact.reason)

    async def _count_again(self, obj: Object, name: str, count: int) -> bool:
        ref = ObjectRef("v1", "Event", obj.namespace or "default", name)
        try:
            await self._kube.patch(ref, {"count": count + 1, "lastTimestamp": _timestamp()})
        except NotFound:
            return False  # the API server forgets events after an hour
        return True

    async def _post(self, obj: Object, fact: Fact) -> None:
        """Tries again on connection errors and 5xx, never on 429."""
        payload = msgspec.json.encode(event_payload(obj, fact, self._component, self._hostname))
        for attempt in range(POST_TRIES):
            try:
                timeout = aiohttp.ClientTimeout(total=POST_TIMEOUT)
                async with self._session.post(self._address, data=payload, headers=JSON, timeout=timeout) as response:
                    if response.status < 500:
                        self._receiver_down = False
                        return
                    problem = f"status {response.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem = type(error).__name__
            if self._receiver_down:
                return  # said once; a receiver that is away does not hold up the next event
            await asyncio.sleep(0.1 * 2**attempt)
        self._receiver_down = True
        logger().error("events receiver does not answer", address=self._address, error=problem)


def core_event(obj: Object, fact: Fact, component: str, hostname: str) -> Manifest:
    """The Event as stored in the object's namespace."""
    now = utc_now()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{obj.name[:200]}.{int(now.timestamp() * 1e9):x}",
            "namespace": obj.namespace or "default",
            "annotations": full_metadata(obj, fact) or None,
        },
        "involvedObject": msgspec.to_builtins(_involved(obj)),
        "type": "Warning" if fact.severity == "Warning" else "Normal",
        "reason": fact.reason,
        "message": shortened(fact.message, LONGEST_EVENT_MESSAGE),
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": hostname,
        "firstTimestamp": _timestamp(),
        "lastTimestamp": _timestamp(),
        "count": 1,
    }


def event_payload(obj: Object, fact: Fact, component: str, hostname: str) -> Event:
    """What notification-controllers receive."""
    return Event(
        involved_object=_involved(obj),
        severity="error" if fact.severity == "Warning" else "info",
        timestamp=utc_now().replace(microsecond=0),
        message=shortened(fact.message, LONGEST_MESSAGE),
        reason=fact.reason,
        reporting_controller=component,
        reporting_instance=hostname,
        metadata=full_metadata(obj, fact),
    )


def full_metadata(obj: Object, fact: Fact) -> dict[str, str]:
    """Short keys under the object's API group, and the user's own annotations for events."""
    group = obj.api_version.partition("/")[0]
    own = {f"{group}/{key}": value for key, value in fact.metadata.items() if value}
    return own | {key: value for key, value in obj.metadata.annotations.items() if key.startswith(USER_PREFIX)}


def _involved(obj: Object) -> InvolvedObject:
    return InvolvedObject(
        api_version=obj.api_version,
        kind=obj.kind,
        name=obj.name,
        namespace=obj.namespace,
        uid=obj.metadata.uid,
        resource_version=obj.metadata.resource_version,
    )


def _timestamp() -> str:
    return utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
