"""Waiting for objects to be reconciled: one watch, however many objects, until each is done or `--timeout` is over."""

import time
from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from fleetloop.api.kinds import Kind
from fleetloop.cli.columns import at, is_oci_helm_repository
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, DeadlineExceeded
from fleetloop.kube.errors import Expired, Forbidden
from fleetloop.kube.kstatus import condition, health_of
from fleetloop.kube.objects import Manifest, ObjectRef

POLL = 2.0  # seconds

Outcome: TypeAlias = Manifest | CliError


def is_static(kind: Kind, obj: Manifest) -> bool:
    """Nobody reconciles it, so nobody need be waited for."""
    return kind.static or is_oci_helm_repository(obj)


def is_ready(kind: Kind, obj: Manifest) -> bool:
    """Done, for this generation. ⚠ CLI8: not ready yet is no failure; raises CliError for what cannot become ready any more."""
    stalled = condition(obj, "Stalled") or {}
    if stalled.get("status") == "True" and stalled.get("observedGeneration") == obj["metadata"].get("generation"):
        raise CliError(stalled.get("message", ""))  # a Kustomization's observedGeneration does not follow (SK21)
    if not is_static(kind, obj) and not _is_observed(obj):
        return False
    return is_current(obj)


def is_current(obj: Manifest) -> bool:
    """By kstatus alone: only a stall or a deletion is final. Raises CliError with its message."""
    health = health_of(obj)
    if health.status not in {"Current", "InProgress"}:
        raise CliError(health.message)
    return health.status == "Current"


def wait_for(cx: Context, kind: Kind, obj: Manifest, is_done: Callable[[Manifest], bool]) -> Manifest:
    """The object once `is_done`. Raises CliError, DeadlineExceeded."""
    metadata = obj["metadata"]
    outcome = wait_for_all(cx, kind, metadata["namespace"], [metadata["name"]], is_done)[metadata["name"]]
    if isinstance(outcome, CliError):
        raise outcome
    return outcome


def wait_or_explain(cx: Context, kind: Kind, obj: Manifest, is_done: Callable[[Manifest], bool]) -> Manifest:
    """As wait_for; when the time is over, a line before the error tells why the object is not ready, if it says so."""
    try:
        return wait_for(cx, kind, obj, is_done)
    except DeadlineExceeded as error:
        ready = (condition(error.last, "Ready") if error.last else None) or {}
        if ready.get("status") == "False" and _is_observed(error.last or {}):
            cx.say.failure(f"{kind.kind} {obj['metadata']['name']} is not ready: {ready.get('message')}")
        raise


def wait_for_all(
    cx: Context, kind: Kind, namespace: str, names: Collection[str], is_done: Callable[[Manifest], bool]
) -> dict[str, Outcome]:
    """By name, the object once it `is_done`, or why it never will be."""
    outcomes: dict[str, Outcome] = {}
    latest: dict[str, Manifest] = {}
    pending = set(names)
    try:
        for name, obj in _seen(cx, kind, namespace, pending):
            if name not in pending:
                continue
            outcome = _judged(kind, name, obj, is_done)
            if outcome is None and obj is not None:
                latest[name] = obj
                continue
            outcomes[name] = outcome or DeadlineExceeded()
            pending.discard(name)
            if not pending:
                break
    except (TimeoutError, DeadlineExceeded):
        outcomes |= {name: DeadlineExceeded(latest.get(name)) for name in pending}
    return outcomes


def _judged(kind: Kind, name: str, obj: Manifest | None, is_done: Callable[[Manifest], bool]) -> Outcome | None:
    if obj is None:
        return CliError(f'{kind.plural}.{kind.group} "{name}" not found')
    try:
        return obj if is_done(obj) else None
    except CliError as error:
        return error


def _seen(cx: Context, kind: Kind, namespace: str, names: Collection[str]) -> Iterator[tuple[str, Manifest | None]]:
    """By a watch; by looking again and again for who has no more rights than `get`, as scripts' accounts may have."""
    try:
        yield from _watched(cx, kind, namespace, names)
    except Forbidden:
        yield from _looked_at(cx, kind, namespace, names)


def _watched(cx: Context, kind: Kind, namespace: str, names: Collection[str]) -> Iterator[tuple[str, Manifest | None]]:
    """(name, object) of every version there is and will be; None when it is gone."""
    only = f"metadata.name={next(iter(names))}" if len(names) == 1 else ""
    while True:
        objects, version = cx.cluster.list_with_version(kind.api_version, kind.kind, namespace, "", only)
        here = {obj["metadata"]["name"]: obj for obj in objects}
        yield from ((name, here.get(name)) for name in tuple(names))
        try:
            for change, obj in cx.cluster.watch(kind.api_version, kind.kind, namespace, "", only, version):
                yield obj["metadata"]["name"], None if change == "DELETED" else obj
        except Expired:
            continue


def _looked_at(cx: Context, kind: Kind, namespace: str, names: Collection[str]) -> Iterator[tuple[str, Manifest | None]]:
    while True:
        for name in tuple(names):
            yield name, cx.cluster.find(ObjectRef(kind.api_version, kind.kind, namespace, name))
        time.sleep(min(POLL, cx.remaining()))


def _is_observed(obj: Manifest) -> bool:
    """The controller has looked at this generation and said something about it."""
    generation, observed = obj["metadata"].get("generation"), at(obj, "status", "observedGeneration") or 0
    ready = condition(obj, "Ready")
    if observed < 1 or ready is None:
        return False
    return bool(generation == (ready.get("observedGeneration") or observed))
