"""Finalizers that Flux's controller put on Alerts and Providers: nobody has anything to undo, and they would keep the objects."""

import asyncio

from fleetloop.api.names import FINALIZER
from fleetloop.api.notification import Alert, Provider
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Unreachable
from fleetloop.runtime.log import logger
from fleetloop.runtime.status import ref_of_object


class LegacyFinalizers:
    """What a watch shows is looked at; a write that fails is done again when the object shows the next time.

    Every replica's watch tells; the leader runs.
    """

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._found: asyncio.Queue[Alert | Provider] = asyncio.Queue()

    def changed(self, old: Alert | Provider | None, new: Alert | Provider | None) -> None:
        if new is not None and FINALIZER in new.metadata.finalizers:
            self._found.put_nowait(new)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            obj = await self._found.get()
            kept = [name for name in obj.metadata.finalizers if name != FINALIZER]
            patch = {"metadata": {"finalizers": kept, "resourceVersion": obj.metadata.resource_version}}
            try:
                await self._kube.patch(ref_of_object(obj), patch)
            except (ApiError, Unreachable) as error:
                logger().debug("finalizer not removed", name=obj.name, namespace=obj.namespace, error=str(error))
