"""Binds notification-controller: caches of Alerts and Providers, the loop of Receivers, the two servers. Runs until cancelled."""

import asyncio
import time
from typing import Any, Generic, TypeVar

from fleetloop.api.kinds import kind_named
from fleetloop.api.meta import Object
from fleetloop.api.notification import Alert, Provider
from fleetloop.auth import TokenCache
from fleetloop.controllers.notification.access import AccessReader
from fleetloop.controllers.notification.deduplication import Recent
from fleetloop.controllers.notification.dispatcher import Dispatcher
from fleetloop.controllers.notification.event_server import Intake, event_app
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.http_metrics import measured
from fleetloop.controllers.notification.identity_tokens import IdentityTokens
from fleetloop.controllers.notification.journal import Journal, Kept
from fleetloop.controllers.notification.lanes import Lanes
from fleetloop.controllers.notification.providers.registry import providers as providers_of
from fleetloop.controllers.notification.settings import IDENTITY_GATE, NotificationSettings
from fleetloop.controllers.notification.status_id import StatusIds
from fleetloop.engine import EngineError, EngineGone, Engines, Family
from fleetloop.kube.cache import Cache
from fleetloop.kube.objects import Manifest
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.log import logger
from fleetloop.runtime.probes import serving
from fleetloop.runtime.process import Tools

_CEL_TIMEOUT = 5.0  # seconds
_T = TypeVar("_T", bound=Object)


async def run(tools: Tools, settings: NotificationSettings) -> None:
    """The whole controller."""
    journal = Journal(settings.queue_path, settings.rate_limit_interval)
    await asyncio.to_thread(journal.open, time.time())
    async with Engines() as engines, Http.open(tools.place.service_map) as http:
        await _serve(tools, settings, engines, http, journal)


async def _serve(tools: Tools, settings: NotificationSettings, engines: Engines, http: Http, journal: Journal) -> None:
    namespace = "" if settings.common.watch_all_namespaces else tools.place.namespace
    alerts, providers = _Watched(tools, Alert, namespace), _Watched(tools, Provider, namespace)
    recent = Recent(settings.rate_limit_interval)
    for key, at in sorted(journal.known(), key=lambda item: item[1]):
        recent.remember(key, at)
    events: asyncio.Queue[Kept] = asyncio.Queue()
    for kept in journal.waiting():
        events.put_nowait(kept)
    intake = Intake(journal, recent, events.put_nowait, time.time)
    metrics = measured(tools.metrics.registry, "gotk_event", "/", whole_path=settings.export_http_path_metrics)
    async with asyncio.TaskGroup() as group:
        dispatcher = Dispatcher(
            kube=tools.kube,
            recorder=tools.recorder,
            http=http,
            access=AccessReader(tools.kube, _identities(tools)),
            journal=journal,
            lanes=Lanes(group),
            status_ids=StatusIds(_text_of(engines)),
            providers=providers_of(settings.azure_authority),
            alerts=lambda: alerts.cache,
            find_provider=providers.cache.get,
            no_cross_namespace=settings.common.no_cross_namespace_refs,
            now=time.time,
        )
        group.create_task(alerts.cache.run())
        group.create_task(providers.cache.run())
        async with serving(event_app(intake, metrics), tools.place.address(settings.events_addr)):
            await alerts.cache.synced.wait()
            await providers.cache.synced.wait()
            while True:
                await dispatcher.dispatch(await events.get())


def _identities(tools: Tools) -> IdentityTokens:
    common = tools.settings
    cache = TokenCache(common.token_cache_max_size, common.token_cache_max_duration, tools.metrics.token_cache)
    return IdentityTokens(tools.kube, cache, common.gates[IDENTITY_GATE], common.default_service_account)


def _text_of(engines: Engines) -> Any:
    async def text_of(expression: str, variables: dict[str, Any]) -> str:
        arguments: dict[str, Any] = {"expressions": [expression], "variables": variables, "output": "string", "checked": True}
        try:
            answer = await engines.call_surely(Family.BUILD, "cel.eval", _CEL_TIMEOUT, **arguments)
        except (EngineError, EngineGone) as error:
            raise ValueError(str(error)) from error
        (value,) = answer["values"]
        if error := value.get("error"):
            raise ValueError(error)
        return str(value["value"])

    return text_of


class _Watched(Generic[_T]):
    """All objects of a kind that nobody reconciles."""

    def __init__(self, tools: Tools, struct: type[_T], namespace: str) -> None:
        self._kind = kind_named(struct.__name__)
        self.cache: Cache[_T] = Cache(
            tools.kube, self._kind.api_version, self._kind.kind, lambda m: decoded(struct, m), self, namespace=namespace
        )

    def changed(self, old: _T | None, new: _T | None) -> None:
        """Who dispatches reads it."""

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        metadata = manifest["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace")
        logger().error("object cannot be read", kind=self._kind.kind, name=name, namespace=namespace, error=str(error))

    def disturbed(self, error: Exception) -> None:
        logger().info("watch interrupted, opening it again", kind=self._kind.kind, error=str(error) or type(error).__name__)
