"""Binds notification-controller: the two servers with what they read, and the loop of Receivers. Runs until cancelled.

Every replica serves, and delivers what it was given; the leader alone writes objects. Flux: helm-notification-image.md 1.2.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from fleetloop.api import names
from fleetloop.api.kinds import kind_named
from fleetloop.api.meta import Key
from fleetloop.api.names import NOTIFICATION_CONTROLLER
from fleetloop.api.notification import Alert, Provider, Receiver
from fleetloop.auth import TokenCache
from fleetloop.controllers.notification.access import AccessReader
from fleetloop.controllers.notification.cel import Cel
from fleetloop.controllers.notification.deduplication import Recent
from fleetloop.controllers.notification.dispatcher import Dispatcher
from fleetloop.controllers.notification.event_server import Intake, event_app
from fleetloop.controllers.notification.finalizers import Finalizers
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.http_metrics import measured
from fleetloop.controllers.notification.identity_tokens import IdentityTokens
from fleetloop.controllers.notification.journal import Journal, Kept
from fleetloop.controllers.notification.lanes import Lanes
from fleetloop.controllers.notification.oidc import Oidc
from fleetloop.controllers.notification.providers.registry import providers as providers_of
from fleetloop.controllers.notification.receiver import ReceiverReconciler
from fleetloop.controllers.notification.settings import NotificationSettings
from fleetloop.controllers.notification.status_id import StatusIds
from fleetloop.controllers.notification.targets import Targets, go_time
from fleetloop.controllers.notification.webhook_server import Slots, Webhooks, webhook_app
from fleetloop.engine import Engines
from fleetloop.kube.cache import Cache
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.config_watches import ConfigWatches
from fleetloop.runtime.controller import Controller
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.log import logger
from fleetloop.runtime.probes import serving
from fleetloop.runtime.process import Tools, loop_settings
from fleetloop.task_group import TaskGroup

_T = TypeVar("_T", Alert, Provider, Receiver)
_FOLDER_PAUSE = 1.0  # seconds
_LONGEST_LINE = 256 << 10  # bytes, of a request's head


async def run(tools: Tools, settings: NotificationSettings) -> None:
    """The whole controller."""
    journal = Journal(settings.queue_path, settings.rate_limit_interval)
    await _open(journal)
    try:
        async with Engines() as engines, Http.open(tools.place.service_map) as http, TaskGroup() as group:
            cel, finalizers = Cel(engines), Finalizers(tools.kube, tools.recorder)
            group.create_task(_serve_events(tools, settings, cel, http, journal, finalizers))
            group.create_task(_serve_webhooks(tools, settings, cel, http))
            group.create_task(_lead(tools, settings, cel, finalizers))
    finally:
        journal.close()


async def _open(journal: Journal) -> None:
    """A replica has a folder of its own; in an update on one volume the older process has it until it ends."""
    is_told = False
    while True:
        try:
            await asyncio.to_thread(journal.open, time.time())
            return
        except BlockingIOError:
            if not is_told:
                logger().info("the folder of --queue-path is another process's, waiting for its end")
            is_told = True
            await asyncio.sleep(_FOLDER_PAUSE)  # a lock gives no event


async def _lead(tools: Tools, settings: NotificationSettings, cel: Cel, finalizers: Finalizers) -> None:
    """What writes objects."""
    kind, loop = kind_named("Receiver"), loop_settings(tools, NOTIFICATION_CONTROLLER)
    reconciler = ReceiverReconciler(tools.kube, cel)
    receivers = Controller(kind, Receiver, reconciler, tools.kube, tools.recorder, tools.metrics, loop)

    def config_changed(ref: ObjectRef) -> None:
        for receiver in receivers.cache:
            secret = receiver.spec.secret_ref
            if ref.kind == "Secret" and secret and (receiver.namespace, secret.name) == (ref.namespace, ref.name):
                receivers.enqueue(receiver.key)

    def disturbed(what: str, error: Exception) -> None:
        logger().info("watch interrupted, opening it again", kind=what, error=str(error) or type(error).__name__)

    async with tools.leading(), TaskGroup() as group:
        group.create_task(finalizers.run())
        group.create_task(receivers.run())
        if not settings.common.gates["DisableConfigWatchers"]:
            selector = settings.watch_configs_label_selector
            for job in ConfigWatches(tools.kube, selector, config_changed, disturbed, loop.namespace).jobs():
                group.create_task(job)


async def _serve_events(
    tools: Tools, settings: NotificationSettings, cel: Cel, http: Http, journal: Journal, finalizers: Finalizers
) -> None:
    alerts = _Watched(tools, Alert, finalizers.changed)
    providers = _Watched(tools, Provider, finalizers.changed)
    recent = Recent(settings.rate_limit_interval)
    for key, at in sorted(journal.known(), key=lambda item: item[1]):
        recent.remember(key, at)
    events: asyncio.Queue[Kept] = asyncio.Queue()
    for kept in journal.waiting():
        events.put_nowait(kept)
    intake = Intake(journal, recent, events.put_nowait, time.time)
    metrics = measured(tools.metrics.registry, "gotk_event", "/", whole_path=settings.export_http_path_metrics)
    async with TaskGroup() as group:
        dispatcher = Dispatcher(
            kube=tools.kube,
            recorder=tools.recorder,
            http=http,
            access=AccessReader(tools.kube, _identities(tools)),
            journal=journal,
            lanes=Lanes(group),
            status_ids=StatusIds(cel),
            providers=providers_of(settings.azure_authority),
            alerts=lambda: alerts.cache,
            find_provider=providers.cache.get,
            no_cross_namespace=settings.common.no_cross_namespace_refs,
            now=time.time,
        )
        group.create_task(alerts.cache.run())
        group.create_task(providers.cache.run())
        async with serving(event_app(intake, metrics), tools.place.address(settings.events_addr), _LONGEST_LINE):
            await alerts.cache.synced.wait()
            await providers.cache.synced.wait()
            while True:
                await dispatcher.dispatch(await events.get())


async def _serve_webhooks(tools: Tools, settings: NotificationSettings, cel: Cel, http: Http) -> None:
    started = time.monotonic()
    paths = _Paths()
    receivers = _Watched(tools, Receiver, paths.changed)

    def now() -> str:
        return go_time(utc_now(), time.monotonic() - started)

    targets = Targets(tools.kube, cel, settings.common.no_cross_namespace_refs, now)
    webhooks = Webhooks(tools.kube, receivers.cache.synced, paths.find, Oidc(http, cel), targets, Slots())
    whole = settings.export_http_path_metrics
    metrics = measured(tools.metrics.registry, "gotk_receiver", "/hook/", whole_path=whole)
    async with serving(webhook_app(webhooks, metrics), tools.place.address(settings.receiver_addr), _LONGEST_LINE):
        await receivers.cache.run()


class _Paths:
    """Receivers by their path."""

    def __init__(self) -> None:
        self._found: dict[str, dict[Key, Receiver]] = {}

    def changed(self, old: Receiver | None, new: Receiver | None) -> None:
        if old and (same := self._found.get(old.status.webhook_path)):
            same.pop(old.key, None)
            if not same:
                del self._found[old.status.webhook_path]
        if new and new.status.webhook_path:
            self._found.setdefault(new.status.webhook_path, {})[new.key] = new

    def find(self, path: str) -> list[Receiver]:
        return list(self._found.get(path, {}).values())


def _identities(tools: Tools) -> IdentityTokens:
    common = tools.settings
    cache = TokenCache(common.token_cache_max_size, common.token_cache_max_duration, tools.metrics.token_cache)
    return IdentityTokens(tools.kube, cache, common.gates[names.WORKLOAD_IDENTITY_GATE], common.default_service_account)


class _Watched(Generic[_T]):
    """All objects of a kind, for those who read them. `heard` is told each change: the old and the new state."""

    def __init__(self, tools: Tools, struct: type[_T], heard: Callable[[_T | None, _T | None], None]) -> None:
        self._heard: Callable[[_T | None, _T | None], None] = heard
        self._kind = kind_named(struct.__name__)
        namespace = "" if tools.settings.watch_all_namespaces else tools.place.namespace
        self.cache: Cache[_T] = Cache(
            tools.kube, self._kind.api_version, self._kind.kind, lambda m: decoded(struct, m), self, namespace=namespace
        )
        tools.metrics.watches(self._kind.kind, lambda: self.cache.version)

    def changed(self, old: _T | None, new: _T | None) -> None:
        self._heard(old, new)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        metadata = manifest["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace")
        logger().error("object cannot be read", kind=self._kind.kind, name=name, namespace=namespace, error=str(error))

    def disturbed(self, error: Exception) -> None:
        logger().info("watch interrupted, opening it again", kind=self._kind.kind, error=str(error) or type(error).__name__)
