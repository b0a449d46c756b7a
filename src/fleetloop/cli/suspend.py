"""`suspend`: the controllers leave an object alone until it is resumed."""

from dataclasses import dataclass

from fleetloop.api.kinds import Kind
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.subjects import choices_of, suspendable
from fleetloop.kube.errors import ApiError
from fleetloop.kube.objects import Manifest, ref_of


@dataclass(frozen=True)
class Suspend(Command):
    """Suspend the reconciliation of resources.

    Examples:
      fleetloop suspend kustomization apps
      fleetloop suspend helmrelease --all -n team-a
    """

    kind: Kind = argument(choices=lambda: choices_of("Suspend a {kind}", suspendable))
    names: tuple[str, ...] = argument(many=True)
    all: bool = flag("--all", help="suspend all resources in that namespace")

    def check(self) -> None:
        if not self.names and not self.all:
            raise UsageError(f"{self.kind.human} name is required")

    def run(self, cx: Context) -> None:
        """⚠ CLI27: with names, every problem is a line and the exit code stays 0."""
        if self.names:
            found, missing = find(cx, self.kind, self.names)
            for name in missing:
                cx.say.failure(f"{self.kind.kind} {name} not found in {cx.namespace} namespace")
        else:
            found = cx.cluster.list(self.kind.api_version, self.kind.kind, cx.namespace)
            if not found:
                raise CliError("no objects found")
        for obj in found:
            self._suspend(cx, obj)

    def _suspend(self, cx: Context, obj: Manifest) -> None:
        name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
        cx.say.action(f"suspending {self.kind.human} {name} in {namespace} namespace")
        try:
            cx.cluster.patch(ref_of(obj), {"spec": {"suspend": True}})
        except ApiError as error:
            cx.say.failure(f"failed suspending {self.kind.kind} {name} in {namespace} namespace: {error}")
            return
        cx.say.success(f"{self.kind.human} suspended")


def find(cx: Context, kind: Kind, names: tuple[str, ...]) -> tuple[list[Manifest], list[str]]:
    """The objects of those names in our namespace, each once, and the names that are missing."""
    found, missing = [], []
    for name in dict.fromkeys(names):
        objects = cx.cluster.list(kind.api_version, kind.kind, cx.namespace, "", f"metadata.name={name}")
        found += objects
        if not objects:
            missing.append(name)
    return found, missing
