"""`events`: what the controllers said about objects, oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fleetloop.api.kinds import KINDS
from fleetloop.cli.columns import at
from fleetloop.cli.command import Command, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import DeadlineExceeded, UsageError
from fleetloop.cli.output import OUTPUT_FORMAT, formatted, list_of
from fleetloop.cli.subjects import BY_NAME
from fleetloop.cli.table import table
from fleetloop.kube.objects import Manifest, ObjectRef

_SHOWN = {kind.kind for kind in KINDS} - {"ExternalArtifact"}
_TYPES = {"normal": "Normal", "warning": "Warning"}


@dataclass(frozen=True, slots=True)
class Involved:
    """The objects whose events are wanted; an empty name stands for all of that kind, an empty namespace for any."""

    kind: str
    namespace: str = ""
    name: str = ""

    def covers(self, event: Manifest) -> bool:
        obj = event.get("involvedObject") or {}
        wanted = ((self.kind, "kind"), (self.namespace, "namespace"), (self.name, "name"))
        return all(value in {"", obj.get(key)} for value, key in wanted)


@dataclass(frozen=True)
class Events(Command):
    """Display the events of the toolkit's resources.

    Examples:
      fleetloop events -A --types=Warning
      fleetloop events --for Kustomization/apps --watch
    """

    all_namespaces: bool = flag("--all-namespaces", "-A", help="show the events of all namespaces")
    about: str = flag("--for", help="show the events of an object and of what it refers to, as in kind/name")
    types: tuple[str, ...] = flag("--types", help="show only events of these types: Normal, Warning")
    watch: bool = flag("--watch", "-w", help="print events as they happen")
    output: str = flag("--output", "-o", type=OUTPUT_FORMAT, help="print the events as json or yaml")

    def check(self) -> None:
        for name in self.types:
            if name.lower() not in _TYPES:
                raise UsageError(f"type '{name}' not supported. Supported types are Normal, Warning")
        parse_subject(self.about)

    def run(self, cx: Context) -> None:
        wanted = self._wanted(cx)
        if self.watch:
            self._follow(cx, wanted)
            return
        found = [event for namespace in self._namespaces(cx, wanted) for event in cx.cluster.list("v1", "Event", namespace)]
        events = sorted((event for event in found if self._fits(event, wanted)), key=last_seen)
        if self.output:
            cx.write(formatted(list_of(events), self.output))
        elif events:
            cx.write(self._table(cx, events, wanted))
        else:
            where = "" if self.all_namespaces else f" in {cx.namespace} namespace"
            cx.say.failure(f"No events found{where}.")

    def _wanted(self, cx: Context) -> list[Involved]:
        kind, name = parse_subject(self.about)
        namespace = "" if self.all_namespaces else cx.namespace
        if not kind:
            return [Involved(each, namespace) for each in sorted(_SHOWN)]
        if not name:
            return [Involved(kind, namespace)]
        api = BY_NAME[kind]
        obj = cx.cluster.get(ObjectRef(api.api_version, api.kind, cx.namespace, name))
        return [Involved(kind, namespace, name), *references_of(obj)]

    def _namespaces(self, cx: Context, wanted: Sequence[Involved]) -> list[str]:
        return [""] if self.all_namespaces else sorted({involved.namespace or cx.namespace for involved in wanted})

    def _fits(self, event: Manifest, wanted: Sequence[Involved]) -> bool:
        types = {_TYPES[name.lower()] for name in self.types}
        return (not types or event.get("type") in types) and any(involved.covers(event) for involved in wanted)

    def _table(self, cx: Context, events: Sequence[Manifest], wanted: Sequence[Involved], *, with_header: bool = True) -> str:
        """A reference to another namespace turns its column on."""
        wide = self.all_namespaces or any(involved.namespace not in {"", cx.namespace} for involved in wanted)
        headers = [*(["Namespace"] if wide else []), "Last seen", "Type", "Reason", "Object", "Message"]
        return table(headers if with_header else [], [_row(event, wide) for event in events])

    def _follow(self, cx: Context, wanted: Sequence[Involved]) -> None:
        """⚠ CLI39: ends with success when the time is over, unlike `get --watch`."""
        namespaces = self._namespaces(cx, wanted)
        shown = False
        try:
            for change, event in cx.cluster.watch("v1", "Event", namespaces[0] if len(namespaces) == 1 else ""):
                if change == "DELETED" or not self._fits(event, wanted):
                    continue
                if self.output:
                    cx.write(formatted(event, self.output))
                else:
                    cx.write(self._table(cx, [event], wanted, with_header=not shown))
                shown = True
        except (TimeoutError, DeadlineExceeded):
            return


def parse_subject(text: str) -> tuple[str, str]:
    """`kind` or `kind/name` to (kind, name). Raises UsageError."""
    if not text:
        return "", ""
    kind, slash, name = text.partition("/")
    if "/" in name or (slash and not name) or not kind:
        raise UsageError("--for selector must be of format <kind>[/<name>]")
    for known in sorted(_SHOWN):
        if known.lower() == kind.lower():
            return known, name
    raise UsageError(f"'{kind}' is not a recognized Flux kind")


def references_of(obj: Manifest) -> list[Involved]:
    """What an object is made from: its events belong to its story.

    ⚠ CLI38: a HelmRelease with chartRef is an object like any other here; Flux refuses to show its events.
    """
    kind, namespace = obj["kind"], obj["metadata"]["namespace"]
    found = []
    match kind:
        case "HelmRelease":
            source = at(obj, "spec", "chartRef") or at(obj, "spec", "chart", "spec", "sourceRef") or {}
            place = source.get("namespace") or namespace
            if not at(obj, "spec", "chartRef"):
                found.append(Involved("HelmChart", place, f"{namespace}-{obj['metadata']['name']}"))
            found.append(Involved(source.get("kind", ""), place, source.get("name", "")))
        case "Kustomization" | "HelmChart":
            found.append(_involved(at(obj, "spec", "sourceRef"), namespace))
        case "ImagePolicy":
            found.append(_involved(at(obj, "spec", "imageRepositoryRef"), namespace, "ImageRepository"))
        case "Alert":
            found.append(_involved(at(obj, "spec", "providerRef"), namespace, "Provider"))
    return found


def _involved(ref: Manifest | None, namespace: str, kind: str = "") -> Involved:
    ref = ref or {}
    return Involved(kind or ref.get("kind", ""), ref.get("namespace") or namespace, ref.get("name", ""))


def last_seen(event: Manifest) -> datetime:
    text = at(event, "series", "lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)


def _row(event: Manifest, wide: bool) -> list[str]:
    obj = event.get("involvedObject") or {}
    place = [event["metadata"].get("namespace", "")] if wide else []
    subject = f"{obj.get('kind', '')}/{obj.get('name', '')}"
    return [*place, _seen(event), event.get("type") or "", event.get("reason") or "", subject, event.get("message") or ""]


def _seen(event: Manifest) -> str:
    """`5s`, or `5s (x3 over 10m)` when it happened more than once."""
    now = datetime.now(UTC)
    first = event.get("firstTimestamp") or event.get("eventTime")
    count = at(event, "series", "count") or event.get("count") or 0
    age = _age(now, last_seen(event))
    if count > 1 or event.get("series"):
        return f"{age} (x{count} over {_age(now, datetime.fromisoformat(first)) if first else '<unknown>'})"
    return age


def _age(now: datetime, then: datetime) -> str:
    return "<unknown>" if then.year == 1 else short_age((now - then).total_seconds())


_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400
_STEPS = (  # below so many seconds: this unit, and with it that one
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    (10**12, _YEAR, "y", 0, ""),
)


def short_age(seconds: float) -> str:
    """kubectl's short form: one unit, or two where the first alone would say too little."""
    whole = max(int(seconds), 0)
    _, size, unit, small, small_unit = next(step for step in _STEPS if whole < step[0])
    count, rest = divmod(whole, size)
    second = rest // small if small else 0
    return f"{count}{unit}" + (f"{second}{small_unit}" if second else "")
