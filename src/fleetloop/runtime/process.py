"""One controller process: connection, probes, metrics, leadership, and an orderly end. What it runs is the caller's."""

import asyncio
import contextlib
import gc
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import aiohttp
from prometheus_client import disable_created_metrics

from fleetloop.kube.client import Kube
from fleetloop.kube.connection import SERVICE_ACCOUNT_DIR, Connection, from_kubeconfig, in_cluster, kubeconfig_paths
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.controller import LoopSettings
from fleetloop.runtime.events import Recorder
from fleetloop.runtime.lease import LeaderLease, LeaseSettings, lease_name
from fleetloop.runtime.log import configure, logger
from fleetloop.runtime.metrics import Metrics
from fleetloop.runtime.probes import metrics_app, probe_app, serving
from fleetloop.runtime.scratch import scratch_folder
from fleetloop.runtime.service_map import http_session
from fleetloop.runtime.settings import CommonSettings, Place
from fleetloop.task_group import TaskGroup


@dataclass(frozen=True, slots=True)
class Tools:
    """What a controller is built from."""

    kube: Kube
    recorder: Recorder
    metrics: Metrics
    session: aiohttp.ClientSession
    settings: CommonSettings
    place: Place
    component: str

    @contextlib.asynccontextmanager
    async def leading(self) -> AsyncIterator[None]:
        """Waits until this process leads, which without leader election it does at once. Raises LeaseLost into the body."""
        if not self.settings.enable_leader_election:
            yield
            return
        name = lease_name(self.component, self.settings.watch_label_selector)
        self.metrics.leads(name, held=False)
        async with _lease(name, self).held():
            self.metrics.leads(name, held=True)
            yield


def loop_settings(tools: Tools, manager: str) -> LoopSettings:
    """The loop of a kind as the flags want it; `manager` writes the objects' status."""
    common = tools.settings
    return LoopSettings(
        workers=common.concurrent,
        manager=manager,
        first_retry=common.min_retry_delay,
        longest_retry=common.max_retry_delay,
        jitter_percentage=common.interval_jitter_percentage,
        namespace="" if common.watch_all_namespaces else tools.place.namespace,
        label_selector=common.watch_label_selector,
    )


Body = Callable[[Tools], Awaitable[None]]


def as_leader(body: Body) -> Body:
    """Of several processes one runs `body` at a time."""

    async def led(tools: Tools) -> None:
        async with tools.leading():
            await body(tools)

    return led


async def run_process(
    component: str, version: str, settings: CommonSettings, place: Place, environment: Mapping[str, str], body: Body
) -> None:
    """Runs `body` until SIGTERM or SIGINT, which end it in order. Raises what body raises."""
    configure(settings.log_level, settings.log_encoding)
    gc.set_threshold(100_000, 50, 100)  # decoding makes many objects that are no garbage
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a series for each series, which nobody reads
    with _ends_on_signals(), _temporary_files_in_scratch():
        try:
            async with _tools(component, version, settings, place, environment) as tools:
                logger().info("starting manager", version=version)
                await _run(tools, body)
        except asyncio.CancelledError:
            logger().info("stopped")


@contextlib.contextmanager
def _temporary_files_in_scratch() -> Iterator[None]:
    """For everything in this process, libraries too; nothing is served yet that could be blocked."""
    before = tempfile.tempdir
    with scratch_folder(Path(tempfile.gettempdir())) as folder:
        tempfile.tempdir = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def _ends_on_signals() -> Iterator[None]:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is None:
        raise RuntimeError("run_process needs a task")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def _tools(
    component: str, version: str, settings: CommonSettings, place: Place, environment: Mapping[str, str]
) -> AsyncIterator[Tools]:
    metrics = Metrics()
    connection = _connection(place, environment)
    async with (
        serving(probe_app(), place.address(settings.health_addr)),
        serving(metrics_app(metrics.registry), place.address(settings.metrics_addr)),
        Kube(connection, component, f"{component}/{version}", [_request_trace(metrics)]) as kube,
        http_session(place.service_map) as session,
    ):
        address = settings.events_addr.replace("$(RUNTIME_NAMESPACE)", place.namespace)
        recorder = Recorder(kube, session, component, address, place.hostname)
        yield Tools(kube, recorder, metrics, session, settings, place, component)


def _request_trace(metrics: Metrics) -> aiohttp.TraceConfig:
    async def answered(_: aiohttp.ClientSession, __: SimpleNamespace, what: aiohttp.TraceRequestEndParams) -> None:
        metrics.requested(what.method, what.url.authority, str(what.response.status))

    async def failed(_: aiohttp.ClientSession, __: SimpleNamespace, what: aiohttp.TraceRequestExceptionParams) -> None:
        metrics.requested(what.method, what.url.authority, "<error>")

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    return trace


async def _run(tools: Tools, body: Body) -> None:
    async with TaskGroup() as group:
        sending = group.create_task(tools.recorder.run())
        await body(tools)
        await tools.recorder.flush()
        sending.cancel()


def _lease(name: str, tools: Tools) -> LeaderLease:
    settings, place = tools.settings, tools.place
    ref = ObjectRef("coordination.k8s.io/v1", "Lease", place.namespace or "default", name)
    # A pod's name is unique, so its restarted container may take its own lease back at once; elsewhere nothing is unique.
    identity = place.hostname if _in_pod(place) else f"{place.hostname}_{uuid.uuid4()}"
    lease_settings = LeaseSettings(
        settings.leader_election_lease_duration,
        settings.leader_election_renew_deadline,
        settings.leader_election_retry_period,
        settings.leader_election_release_on_cancel,
    )
    return LeaderLease(tools.kube, ref, identity, lease_settings)


def _in_pod(place: Place) -> bool:
    return place.service_account is not None or SERVICE_ACCOUNT_DIR.exists()


def _connection(place: Place, environment: Mapping[str, str]) -> Connection:
    if _in_pod(place):
        return in_cluster(environment, place.service_account or SERVICE_ACCOUNT_DIR)
    return from_kubeconfig(kubeconfig_paths(environment))
