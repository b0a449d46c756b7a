"""`reconcile`: ask a controller for a pass now, and tell what came of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from fleetloop.api.kinds import Kind
from fleetloop.api.names import FORCE_AT, REQUESTED_AT, RESET_AT
from fleetloop.cli.columns import at, is_oci_helm_repository, is_suspended, ready_of, revision_of_release, text_at
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, DeadlineExceeded, UsageError
from fleetloop.cli.readiness import is_current, is_static, wait_for
from fleetloop.cli.subjects import BY_NAME, choices_of, reconcilable
from fleetloop.kube.kstatus import condition
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of

_UNQUOTED = {"Kustomization", "HelmRelease", "HelmChart"}
_WITH_SOURCE = {"Kustomization", "HelmRelease", "HelmChart"}
_WAITING_REASONS = {"DependencyNotReady", "ArtifactFailed", "SourceNotReady"}
"""Failures that end without anybody's doing: something else is still on its way."""


@dataclass(frozen=True)
class Reconcile(Command):
    """Reconcile sources and resources.

    Examples:
      fleetloop reconcile source git apps
      fleetloop reconcile kustomization apps --with-source
      fleetloop reconcile helmrelease podinfo --force
    """

    kind: Kind = argument(choices=lambda: choices_of("Reconcile a {kind}", reconcilable))
    name: str = argument()
    with_source: bool = flag("--with-source", help="reconcile its source first", only=lambda kind: kind.kind in _WITH_SOURCE)
    force: bool = flag("--force", help="upgrade even without a change", only=lambda kind: kind.kind == "HelmRelease")
    reset: bool = flag("--reset", help="forget failed attempts first", only=lambda kind: kind.kind == "HelmRelease")

    def check(self) -> None:
        if not self.name:
            raise UsageError(f"{self.kind.kind} name is required")

    def run(self, cx: Context) -> None:
        ref = ObjectRef(self.kind.api_version, self.kind.kind, cx.namespace, self.name)
        also = [key for wanted, key in ((self.force, FORCE_AT), (self.reset, RESET_AT)) if wanted]
        _reconcile(cx, self.kind, ref, also, with_source=self.with_source)


def _reconcile(cx: Context, kind: Kind, ref: ObjectRef, also: list[str], *, with_source: bool = False) -> None:
    seen = cx.cluster.get(ref)
    if is_static(kind, seen):
        cx.say.success("reconciliation not supported by the object")
        return
    if is_suspended(seen) == "True":
        raise CliError("resource is suspended")
    if with_source:
        _reconcile_source(cx, seen)
    cx.say.action(f"annotating {kind.kind} {ref.name} in {ref.namespace} namespace")
    token = now_text()
    annotations = dict.fromkeys([REQUESTED_AT, *also], token)
    cx.cluster.patch(ref, {"metadata": {"annotations": annotations}})
    cx.say.success(f"{kind.kind} annotated")
    cx.say.waiting(f"waiting for {kind.kind} reconciliation")
    try:
        done = wait_for(cx, kind, seen, _is_handled(kind, at(seen, "status", "lastHandledReconcileAt")))
    except DeadlineExceeded as error:
        if error.last and _has_failed(error.last, at(seen, "status", "lastHandledReconcileAt")):
            cx.say.failure(_failure(kind, error.last))
        raise
    _report(cx, kind, done)


def _reconcile_source(cx: Context, obj: Manifest) -> None:
    """Has a full `--timeout` of its own; a chart on the way has its source reconciled first."""
    kind, ref = source_of(obj)
    whole = replace(cx, started=time.monotonic())
    _reconcile(whole, kind, ref, [], with_source=kind.kind == "HelmChart")


def source_of(obj: Manifest) -> tuple[Kind, ObjectRef]:
    """The source a Kustomization, HelmRelease or HelmChart is made from; for a HelmRelease with `chart`, its HelmChart."""
    own = ref_of(obj)
    chart = at(obj, "spec", "chart", "spec", "sourceRef")
    found = at(obj, "spec", "chartRef") or chart or at(obj, "spec", "sourceRef") or {}
    kind_name, name = found.get("kind", ""), found.get("name", "")
    if own.kind == "HelmRelease" and chart and not at(obj, "spec", "chartRef"):
        kind_name, name = "HelmChart", f"{own.namespace}-{own.name}"
    allowed = {
        "Kustomization": {"OCIRepository", "GitRepository", "Bucket"},
        "HelmRelease": {"OCIRepository", "HelmChart"},
        "HelmChart": {"HelmRepository", "GitRepository", "Bucket"},
    }
    if kind_name not in allowed[own.kind]:
        raise CliError(f"cannot reconcile source of kind {kind_name}")
    kind = BY_NAME[kind_name]
    return kind, ObjectRef(kind.api_version, kind.kind, found.get("namespace") or own.namespace, name)


def _is_handled(kind: Kind, handled_before: str | None) -> Callable[[Manifest], bool]:
    """⚠ CLI24: any change of what was handled last counts, not only our own request.

    A request that was handled and failed ends the wait with the controller's reason, unlike in Flux, which waits on (⚠ CLI8).
    """

    def is_done(obj: Manifest) -> bool:
        if at(obj, "status", "lastHandledReconcileAt") == handled_before:
            is_current(obj)
            return False
        if is_current(obj):
            return True
        if _has_failed(obj, handled_before) and (condition(obj, "Ready") or {}).get("reason") not in _WAITING_REASONS:
            raise CliError(_failure(kind, obj))
        return False

    return is_done


def _has_failed(obj: Manifest, handled_before: str | None) -> bool:
    """The pass that handled the request is over, and it failed; the controller will try again in its own time."""
    if at(obj, "status", "lastHandledReconcileAt") == handled_before:
        return False
    ready, reconciling = condition(obj, "Ready") or {}, condition(obj, "Reconciling") or {}
    return ready.get("status") == "False" and reconciling.get("reason") in {None, "ProgressingWithRetry"}


def _report(cx: Context, kind: Kind, obj: Manifest) -> None:
    ready = condition(obj, "Ready")
    if ready is None:
        raise CliError("status can't be determined")
    if ready.get("status") != "True":
        raise CliError(_failure(kind, obj))
    cx.say.success(result_of(kind, obj))


def _failure(kind: Kind, obj: Manifest) -> str:
    """⚠ CLI25: some kinds quote the message and some do not."""
    message = ready_of(kind, obj)[1]
    return f"{kind.kind} reconciliation failed: " + (message if kind.kind in _UNQUOTED else f"'{message}'")


def result_of(kind: Kind, obj: Manifest) -> str:
    """What a successful pass brought, in one line. ⚠ CLI26: a ready object may lack what its line tells; the line says so."""
    if is_oci_helm_repository(obj):
        return (condition(obj, "Ready") or {}).get("message") or ""
    return _RESULTS.get(kind.kind, _fetched)(obj)


def _fetched(obj: Manifest) -> str:
    revision = text_at(obj, "status", "artifact", "revision")
    return f"fetched revision {revision}" if revision else f"{obj['kind']} has no artifact"


def _completed(obj: Manifest) -> str:
    return f"{obj['kind']} reconciliation completed"


def _scanned(obj: Manifest) -> str:
    tags = at(obj, "status", "lastScanResult", "tagCount")
    return "no scan has been made yet" if tags is None else f"scan fetched {tags} tags"


def _selected(obj: Manifest) -> str:
    ref = at(obj, "status", "latestRef") or {}
    if not ref:
        return "no image was selected"
    digest = f"@{ref['digest']}" if ref.get("digest") else ""
    return f"selected ref {ref.get('name', '')}:{ref.get('tag', '')}{digest}"


def _automated(obj: Manifest) -> str:
    last = text_at(obj, "status", "lastAutomationRunTime")
    message = (condition(obj, "Ready") or {}).get("message")
    return message or (f"last run {last}" if last else "automation not yet run")


_RESULTS: dict[str, Callable[[Manifest], str]] = {
    "Kustomization": lambda obj: f"applied revision {text_at(obj, 'status', 'lastAppliedRevision')}",
    "HelmRelease": lambda obj: f"applied revision {revision_of_release(obj)}",
    "Receiver": _completed,
    "Alert": _completed,
    "Provider": _completed,
    "ImageRepository": _scanned,
    "ImagePolicy": _selected,
    "ImageUpdateAutomation": _automated,
}


def now_text() -> str:
    """Now, in RFC 3339 with nanoseconds and the local zone."""
    nanoseconds = time.time_ns()
    second = datetime.fromtimestamp(nanoseconds // 10**9).astimezone()
    zone = second.strftime("%z")
    return second.strftime("%Y-%m-%dT%H:%M:%S") + f".{nanoseconds % 10**9:09d}".rstrip("0").rstrip(".") + _zone(zone)


def _zone(offset: str) -> str:
    return "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}"
