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
        for name in dict.fromkeys(self.names):
            try:
                self._suspend_named(cx, name)
            except ApiError as error:
                cx.say.failure(f"failed suspending {self.kind.kind} {name} in {cx.namespace} namespace: {error}")
        if not self.names:
            found = cx.cluster.list(self.kind.api_version, self.kind.kind, cx.namespace)
            if not found:
                raise CliError("no objects found")
            for obj in found:
                self._suspend(cx, obj)

    def _suspend_named(self, cx: Context, name: str) -> None:
        found = find(cx, self.kind, name)
        if found is None:
            cx.say.failure(f"{self.kind.kind} {name} not found in {cx.namespace} namespace")
        else:
            self._suspend(cx, found)

    def _suspend(self, cx: Context, obj: Manifest) -> None:
        cx.say.action(f"suspending {self.kind.human} {obj['metadata']['name']} in {cx.namespace} namespace")
        cx.cluster.patch(ref_of(obj), {"spec": {"suspend": True}})
        cx.say.success(f"{self.kind.human} suspended")


def find(cx: Context, kind: Kind, name: str) -> Manifest | None:
    """By a list of one, as rights may be given for lists alone."""
    return next(iter(cx.cluster.list(kind.api_version, kind.kind, cx.namespace, "", f"metadata.name={name}")), None)
