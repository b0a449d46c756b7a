"""`get`: the objects of a kind and their status, once or as they change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fleetloop.api.kinds import Kind
from fleetloop.cli.columns import columns_of
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, DeadlineExceeded
from fleetloop.cli.goflags import quoted
from fleetloop.cli.output import OUTPUT_FORMAT, formatted, list_of
from fleetloop.cli.subjects import Kinds, listed
from fleetloop.cli.table import table
from fleetloop.kube.errors import ApiError, KindUnknown
from fleetloop.kube.objects import Manifest


@dataclass(frozen=True)
class Get(Command):
    """Get the resources and their status.

    Examples:
      fleetloop get kustomizations
      fleetloop get sources git -A --status-selector ready=false
      fleetloop get all -n team-a -o yaml
    """

    kinds: Kinds = argument(choices=listed)
    name: str = argument(usage="")
    all_namespaces: bool = flag("--all-namespaces", "-A", help="list the objects of all namespaces")
    label_selector: str = flag("--label-selector", "-l", help="filter objects by label selector")
    status_selector: str = flag("--status-selector", help="filter by condition, as in ready=false or type!=status")
    no_header: bool = flag("--no-header", help="print no header line")
    watch: bool = flag("--watch", "-w", help="print the objects, and again whenever they change")
    output: str = flag("--output", "-o", type=OUTPUT_FORMAT, help="print the objects as json or yaml")
    show_source: bool = flag(
        "--show-source",
        help="show where an object comes from",
        only=lambda kinds: len(kinds) == 1 and kinds[0].kind in {"Kustomization", "HelmRelease"},
    )

    def check(self) -> None:
        if self.watch and len(self.kinds) > 1:
            raise CliError("expected a single resource type, but found all")
        if self.label_selector:
            from fleetloop.kube.selectors import label_selector  # not needed by most, and slow to import

            try:
                label_selector(self.label_selector, "--label-selector")
            except ValueError as error:
                raise CliError(f"unable to parse label selector: {error}") from None

    def run(self, cx: Context) -> None:
        if self.watch:
            self._follow(cx)
        elif len(self.kinds) > 1:
            self._print_all(cx)
        else:
            objects = self._objects(cx, self.kinds[0])
            if not self.output:
                cx.write(self._table(self.kinds[0], objects))
            elif self.name:
                cx.write(formatted(objects[0], self.output))
            else:
                cx.write(formatted(list_of(objects), self.output))

    def _objects(self, cx: Context, kind: Kind) -> list[Manifest]:
        """What is asked for; nothing at all is an error, nothing left by the status selector is not."""
        objects = self._list(cx, kind)
        if not objects:
            raise CliError(self._nothing_found(cx, kind))
        return self._selected(kind, objects)

    def _selected(self, kind: Kind, objects: Sequence[Manifest]) -> list[Manifest]:
        return [obj for obj in objects if matches(kind, obj, self.status_selector)]

    def _list(self, cx: Context, kind: Kind) -> list[Manifest]:
        by_name = f"metadata.name={self.name}" if self.name else ""
        namespace = "" if self.all_namespaces else cx.namespace
        try:
            return cx.cluster.list(kind.api_version, kind.kind, namespace, self.label_selector, by_name)
        except ApiError as error:
            if error.status == 400 and self.label_selector:
                raise CliError(f"unable to parse label selector: {error}") from None
            raise

    def _nothing_found(self, cx: Context, kind: Kind) -> str:
        scope = "any namespace" if self.all_namespaces else f"{quoted(cx.namespace)} namespace"
        if self.name:
            return f"{kind.kind} object '{self.name}' not found in {scope}"
        return f"no {kind.kind} objects found in {scope}"

    def _table(self, kind: Kind, objects: Sequence[Manifest], prefix: str = "", *, with_header: bool = True) -> str:
        columns = columns_of(kind, show_source=self.show_source)
        titles = [*(["Namespace"] if self.all_namespaces else []), "Name", *(column.title for column in columns)]
        rows = []
        for obj in objects:
            place = [obj["metadata"].get("namespace", "")] if self.all_namespaces else []
            rows.append([*place, prefix + obj["metadata"]["name"], *(column.cell(obj) for column in columns)])
        return table(titles if with_header and not self.no_header else [], rows)

    def _print_all(self, cx: Context) -> None:
        """⚠ CLI6: a table for each kind that has objects, if only its header; a kind that fails is told and passed over."""
        found: list[Manifest] = []
        for kind in self.kinds:
            try:
                listed = self._list(cx, kind)
                if not listed and self.name:
                    raise CliError(self._nothing_found(cx, kind))
                objects = self._selected(kind, listed)
            except KindUnknown:
                continue
            except (ApiError, CliError) as error:
                if isinstance(error, DeadlineExceeded):
                    raise
                cx.say.failure(str(error))
                continue
            found += objects
            if listed and not self.output:
                cx.write(self._table(kind, objects, f"{kind.singular}/") + "\n")
        if self.output:
            cx.write(formatted(list_of(found), self.output))

    def _follow(self, cx: Context) -> None:
        """⚠ CLI10: a bare watch; every event is a table of its own, only the first has the header. Ends with an error, always."""
        kind, shown = self.kinds[0], False
        try:
            for obj in self._changes(cx, kind):
                rows = [obj] if matches(kind, obj, self.status_selector) else []
                if self.output:
                    cx.write("".join(formatted(row, self.output) for row in rows))
                else:
                    cx.write(self._table(kind, rows, with_header=not shown))
                shown = True
        except (TimeoutError, DeadlineExceeded):
            raise CliError("timed out waiting for the condition") from None
        raise CliError("watch closed before UntilWithoutRetry timeout")

    def _changes(self, cx: Context, kind: Kind) -> Iterator[Manifest]:
        by_name = f"metadata.name={self.name}" if self.name else ""
        namespace = "" if self.all_namespaces else cx.namespace
        for _, obj in cx.cluster.watch(kind.api_version, kind.kind, namespace, self.label_selector, by_name):
            yield obj


@dataclass(frozen=True, slots=True)
class StatusSelector:
    """`type=status` or `type!=status`, in any case."""

    type: str
    status: str
    equal: bool = field(default=True)

    def accepts(self, conditions: Sequence[Manifest]) -> bool:
        """A condition that is not there matches nothing: `ready!=true` shows what has no Ready."""
        found = any(str(c.get("type")).lower() == self.type and str(c.get("status")).lower() == self.status for c in conditions)
        return found is self.equal


def parse_status_selector(text: str) -> StatusSelector:
    """Raises CliError."""
    for sign, equal in (("!=", False), ("=", True)):
        if sign in text:
            parts = text.split(sign)
            if len(parts) == 2:
                return StatusSelector(parts[0].lower(), parts[1].lower(), equal)
    raise CliError(f"expected status selector in type=status or type!=status format, but found: {text}")


def matches(kind: Kind, obj: Manifest, selector: str) -> bool:
    """Kinds without a status count as ready, and as nothing else."""
    if not selector:
        return True
    wanted = parse_status_selector(selector)
    if kind.static:
        return wanted == StatusSelector("ready", "true")
    return wanted.accepts((obj.get("status") or {}).get("conditions") or [])
