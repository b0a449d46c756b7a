"""What all `create` verbs share: the name, labels and interval; export or apply; waiting and the lines on the way."""

import re
from dataclasses import dataclass
from typing import Any

from fleetloop.api.durations import duration_text
from fleetloop.api.kinds import Kind
from fleetloop.cli.command import flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import DURATION
from fleetloop.cli.output import document
from fleetloop.cli.readiness import is_ready, wait_or_explain
from fleetloop.kube.objects import Manifest, ref_of

_NAME = re.compile(r"[a-z0-9]([a-z0-9\-]){0,61}[a-z0-9]")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True)
class CreateOptions:
    """The flags of every `create` verb; they may stand right after `create`."""

    export: bool = flag("--export", help="print the YAML instead of applying it")
    interval: float = flag("--interval", type=DURATION, default=60.0, help="how often the object is reconciled")
    label: tuple[str, ...] = flag("--label", help="labels to set, as in key=value; comma separated or repeated")

    def labels(self) -> dict[str, str]:
        """Raises UsageError."""
        return dict(_label(text) for text in self.label)


def check_name(name: str) -> None:
    """⚠ CLI11: names of one letter and names with dots are refused, though Kubernetes takes them. Raises UsageError."""
    if not name:
        raise UsageError("name is required")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"name '{name}' is invalid, it should adhere to standard defined in RFC 1123, "
            "the name can only contain alphanumeric characters or '-'"
        )


def manifest_of(cx: Context, kind: Kind, name: str, common: CreateOptions, spec: dict[str, Any]) -> Manifest:
    """The object to create; what is None or empty in `spec` is left out."""
    return timeless_manifest(cx, kind, name, common, {"interval": duration_text(common.interval)} | spec)


def timeless_manifest(cx: Context, kind: Kind, name: str, common: CreateOptions, spec: dict[str, Any]) -> Manifest:
    """As `manifest_of`, for kinds that are not reconciled at an interval."""
    metadata: dict[str, Any] = {"name": name, "namespace": cx.namespace}
    if labels := common.labels():
        metadata["labels"] = labels
    written = {key: value for key, value in spec.items() if value not in (None, "", [], {})}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": written}


def export(cx: Context, manifest: Manifest) -> None:
    cx.write(document(manifest))


def apply_and_wait(cx: Context, kind: Kind, manifest: Manifest, what: str, short: str = "") -> Manifest:
    """Creates or updates, waits for the controller and returns what it made of it. `what` names it in the lines, and `short`
    in the one that tells what was done."""
    cx.say.action(f"applying {what}")
    live, done = upsert(cx, manifest)
    cx.say.success(f"{short or what} {done}")
    cx.say.waiting(f"waiting for {what} reconciliation")
    return wait_or_explain(cx, kind, live, lambda obj: is_ready(kind, obj))


def upsert(cx: Context, manifest: Manifest) -> tuple[Manifest, str]:
    """(object, "created" or "updated"). ⚠ CLI12: labels and spec are replaced as a whole; annotations and others stay."""
    live = cx.cluster.find(ref_of(manifest))
    if live is None:
        return cx.cluster.create(manifest), "created"
    metadata = {key: value for key, value in live["metadata"].items() if key != "labels"}
    if labels := manifest["metadata"].get("labels"):
        metadata["labels"] = labels
    return cx.cluster.replace({**live, "metadata": metadata, "spec": manifest["spec"]}), "updated"


def settle_and_wait(cx: Context, kind: Kind, manifest: Manifest, what: str) -> Manifest:
    """As `apply_and_wait`, but what is there already and equal is not written again, and nothing is said of it."""
    cx.say.action(f"applying {what}")
    live = cx.cluster.find(ref_of(manifest))
    if live is None or not _is_as_wanted(live, manifest):
        live, done = upsert(cx, manifest)
        cx.say.success(f"{what} {done}")
    cx.say.waiting(f"waiting for {what} reconciliation")
    return wait_or_explain(cx, kind, live, lambda obj: is_ready(kind, obj))


def _is_as_wanted(live: Manifest, manifest: Manifest) -> bool:
    """What the server's defaults add to the spec does not count."""
    labels = manifest["metadata"].get("labels") or {}
    written = {key: live["spec"].get(key) for key in manifest["spec"]}
    return written == manifest["spec"] and (live["metadata"].get("labels") or {}) == labels


def artifact_revision(obj: Manifest, what: str, missing: str = "") -> str:
    """Raises CliError, `missing` where its text is another, for a source that is ready and has no artifact."""
    artifact = (obj.get("status") or {}).get("artifact") or {}
    if not artifact.get("revision"):
        raise CliError(missing or f"{what} reconciliation completed but no artifact was found")
    return str(artifact["revision"])


def seconds_text(seconds: float) -> str:
    """A duration flag as the API writes it; nothing for none."""
    return duration_text(seconds) if seconds else ""


def name_ref(name: str) -> dict[str, str] | None:
    """A reference to an object of a known kind beside ours."""
    return {"name": name} if name else None


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or "=" in value:
        raise UsageError(f"invalid label format '{text}', must be key=value")
    prefix, slash, name = key.rpartition("/")
    if not _LABEL_NAME.fullmatch(name) or (slash and not _LABEL_PREFIX.fullmatch(prefix)):
        raise UsageError(f"invalid label '{key}': a qualified name must consist of alphanumeric characters, '-', '_' or '.'")
    if value and not _LABEL_NAME.fullmatch(value):
        raise UsageError(f"invalid label value '{value}': must be empty or consist of alphanumeric characters, '-', '_' or '.'")
    return key, value
