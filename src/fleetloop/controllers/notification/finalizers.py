"""Flux's finalizer: Providers have it until they are deleted, Alerts lose the one that older versions gave them.

Flux: helm-notification-image.md 1.4, 3.1, 3.3.
"""

import asyncio

from fleetloop.api import reasons
from fleetloop.api.names import FINALIZER
from fleetloop.api.notification import Alert, Provider
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Conflict, NotFound, Unreachable
from fleetloop.runtime.events import Fact, Recorder
from fleetloop.runtime.log import logger
from fleetloop.runtime.status import ref_of_object

_RETRY = 5.0  # seconds


class Finalizers:
    """What a watch shows is looked at. Every replica's watch tells; the leader runs."""

    def __init__(self, kube: Kube, recorder: Recorder) -> None:
        self._kube, self._recorder = kube, recorder
        self._found: asyncio.Queue[Alert | Provider] = asyncio.Queue()

    def changed(self, old: Alert | Provider | None, new: Alert | Provider | None) -> None:
        if new is not None and (FINALIZER in new.metadata.finalizers) != _is_due(new):
            self._found.put_nowait(new)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            obj = await self._found.get()
            rest = [name for name in obj.metadata.finalizers if name != FINALIZER]
            wanted = [*rest, FINALIZER] if _is_due(obj) else rest
            patch = {"metadata": {"finalizers": wanted, "resourceVersion": obj.metadata.resource_version}}
            try:
                await self._kube.patch(ref_of_object(obj), patch)
            except (Conflict, NotFound):
                continue  # its watch shows what it is now
            except (ApiError, Unreachable) as error:
                logger().debug("finalizers not written", name=obj.name, namespace=obj.namespace, error=str(error))
                asyncio.get_running_loop().call_later(_RETRY, self._found.put_nowait, obj)
                continue
            if isinstance(obj, Alert):
                self._recorder.record(obj, Fact("Normal", reasons.MIGRATION, "removed the finalizer, an Alert needs none", {}))


def _is_due(obj: Alert | Provider) -> bool:
    return isinstance(obj, Provider) and not obj.metadata.deletion_timestamp
