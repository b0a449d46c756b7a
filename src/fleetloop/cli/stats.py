"""`stats`: how many resources there are of each kind, how many fail, and what their artifacts take on disk."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleetloop.cli.columns import at, is_suspended
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import UsageError
from fleetloop.cli.goflags import quoted
from fleetloop.cli.output import OUTPUT_FORMAT, formatted
from fleetloop.cli.subjects import BY_NAME
from fleetloop.cli.table import table
from fleetloop.kube.errors import ApiError, KindUnknown
from fleetloop.kube.kstatus import condition
from fleetloop.kube.objects import Manifest

_KINDS = (
    *("GitRepository", "OCIRepository", "HelmRepository", "HelmChart", "Bucket", "Kustomization", "HelmRelease"),
    *("Alert", "Provider", "Receiver", "ImageUpdateAutomation", "ImagePolicy", "ImageRepository"),
)
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@dataclass(frozen=True)
class Stats(Command):
    """Count the resources, and what fails, by kind.

    Examples:
      fleetloop stats
      fleetloop stats --all-namespaces
    """

    words: tuple[str, ...] = argument(many=True, usage="")
    all_namespaces: bool = flag("--all-namespaces", "-A", help="of all namespaces")
    output: str = flag("--output", "-o", type=OUTPUT_FORMAT, help="the format: json or yaml; a table otherwise")

    def run(self, cx: Context) -> None:
        if self.words:
            raise UsageError(f"unknown command {quoted(self.words[0])} for {quoted(f'{cx.program} stats')}")
        counts = [count(kind, self._objects(cx, kind)) for kind in _KINDS]
        if self.output:
            cx.write(formatted([one.document() for one in counts], self.output))
        else:
            cx.write(table(("Reconcilers", "Running", "Failing", "Suspended", "Storage"), [one.row() for one in counts]))

    def _objects(self, cx: Context, name: str) -> list[Manifest]:
        """⚠ CLI41: a kind that cannot be listed counts as none; a refusal is told, a kind that is not installed is not."""
        kind = BY_NAME[name]
        try:
            return cx.cluster.list(kind.api_version, kind.kind, "" if self.all_namespaces else cx.namespace)
        except KindUnknown:
            return []
        except ApiError as error:
            cx.say.warning(f"{name} is not counted: {error}")
            return []


@dataclass(frozen=True, slots=True)
class Count:
    """`storage` in bytes."""

    kind: str
    total: int
    failing: int
    suspended: int
    storage: int

    def row(self) -> tuple[str, ...]:
        numbers = (self.total - self.suspended, self.failing, self.suspended)
        return (self.kind, *map(str, numbers), size_text(self.storage))

    def document(self) -> dict[str, str | int]:
        numbers = {"running": self.total - self.suspended, "failing": self.failing, "suspended": self.suspended}
        return {"kind": self.kind, **numbers, "storageBytes": self.storage}


def count(kind: str, objects: Sequence[Manifest]) -> Count:
    """Suspended ones that fail count as failing too."""
    failing = sum((condition(obj, "Ready") or {}).get("status") == "False" for obj in objects)
    suspended = sum(is_suspended(obj) == "True" for obj in objects)
    storage = sum(int(at(obj, "status", "artifact", "size") or 0) for obj in objects)
    return Count(kind, len(objects), failing, suspended, storage)


def size_text(size: int) -> str:
    if size < 1024:
        return f"{size} B" if size else "-"
    power = min((size.bit_length() - 1) // 10, len(_UNITS))
    return f"{size / 1024**power:.1f} {_UNITS[power - 1]}"
