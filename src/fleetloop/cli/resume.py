"""`resume`: the controllers take a suspended object up again."""

from collections.abc import Iterator
from dataclasses import dataclass

from fleetloop.api.kinds import Kind
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import BOOL
from fleetloop.cli.readiness import is_ready, wait_for_all
from fleetloop.cli.reconcile import result_of
from fleetloop.cli.subjects import choices_of, suspendable
from fleetloop.cli.suspend import find
from fleetloop.kube.objects import Manifest, ref_of


@dataclass(frozen=True)
class Resume(Command):
    """Resume suspended resources, and wait for them when one is named.

    Examples:
      fleetloop resume kustomization apps
      fleetloop resume helmrelease --all -n team-a --wait
    """

    kind: Kind = argument(choices=lambda: choices_of("Resume a {kind}", suspendable))
    names: tuple[str, ...] = argument(many=True)
    all: bool = flag("--all", help="resume all resources in that namespace")
    wait: bool | None = flag("--wait", type=BOOL, default=None, help="wait for each of them to be reconciled")

    def check(self) -> None:
        if not self.names and not self.all:
            raise UsageError(f"{self.kind.human} name is required")

    def run(self, cx: Context) -> None:
        """The field goes, as if it had never been; what is not suspended stays at its generation."""
        resumed = []
        for obj in self._found(cx):
            name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
            cx.say.action(f"resuming {self.kind.human} {name} in {namespace} namespace")
            if obj["spec"].get("suspend"):
                cx.cluster.patch(ref_of(obj), {"spec": {"suspend": None}})
            cx.say.success(f"{self.kind.human} resumed")
            resumed.append(name)
        if resumed and (len(self.names) == 1 if self.wait is None else self.wait):
            self._wait(cx, resumed)

    def _found(self, cx: Context) -> Iterator[Manifest]:
        """What is missing is told, and no failure. ⚠ CLI28: each missing name by its own name, unlike Flux."""
        for name in dict.fromkeys(self.names):
            if found := find(cx, self.kind, name):
                yield found
            else:
                cx.say.failure(f"{self.kind.kind} object '{name}' not found in {cx.namespace} namespace")
        if not self.names:
            objects = cx.cluster.list(self.kind.api_version, self.kind.kind, cx.namespace)
            if not objects:
                cx.say.failure(f"no {self.kind.kind} objects found in {cx.namespace} namespace")
            yield from objects

    def _wait(self, cx: Context, names: list[str]) -> None:
        """All at once; told at the end, by name."""
        for _ in names:
            cx.say.waiting(f"waiting for {self.kind.kind} reconciliation")
        outcomes = wait_for_all(cx, self.kind, cx.namespace, names, lambda obj: is_ready(self.kind, obj))
        failed = 0
        for name, outcome in sorted(outcomes.items()):
            if isinstance(outcome, CliError):
                failed += 1
                cx.say.failure(f"{self.kind.kind} {name} reconciliation failed: {outcome}")
            else:
                cx.say.success(f"{self.kind.kind} {name} reconciliation completed")
                cx.say.success(result_of(self.kind, outcome))
        if failed:
            raise CliError(f"reconciliation failed for {failed} {self.kind.kind}(s)")
