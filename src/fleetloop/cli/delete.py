"""`delete`: remove one object, after a question."""

from dataclasses import dataclass

from fleetloop.api.kinds import Kind
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import UsageError
from fleetloop.cli.subjects import choices_of, suspendable
from fleetloop.kube.objects import ObjectRef


@dataclass(frozen=True)
class Delete(Command):
    """Delete sources and resources.

    Examples:
      fleetloop delete kustomization apps
      fleetloop delete source git apps --silent
    """

    kind: Kind = argument(choices=lambda: choices_of("Delete a {kind}", suspendable))
    name: str = argument()
    silent: bool = flag("--silent", "-s", help="delete without asking")

    def check(self) -> None:
        if not self.name:
            raise UsageError(f"{self.kind.human} name is required")

    def run(self, cx: Context) -> None:
        ref = ObjectRef(self.kind.api_version, self.kind.kind, cx.namespace, self.name)
        cx.cluster.get(ref)
        if not self.silent:
            cx.confirm(f"Are you sure you want to delete this {self.kind.human}")
        cx.say.action(f"deleting {self.kind.human} {self.name} in {ref.namespace} namespace")
        cx.cluster.delete(ref)
        cx.say.success(f"{self.kind.human} deleted")
