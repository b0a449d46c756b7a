"""`debug`: what a Kustomization or HelmRelease works with, in clear: its status, its history, its variables or values."""

from collections.abc import Iterator
from dataclasses import dataclass

from fleetloop.api.kinds import Kind
from fleetloop.cli.columns import at
from fleetloop.cli.command import Choice, Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.engines import engines_of
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.helm_values import merged_values
from fleetloop.cli.output import formatted
from fleetloop.cli.subjects import choices_of
from fleetloop.cli.variables import read_variables
from fleetloop.kube.objects import Manifest, ObjectRef

_DOCUMENTATION = {
    "Kustomization": "https://fluxcd.io/flux/components/kustomize/kustomizations/",
    "HelmRelease": "https://fluxcd.io/flux/components/helm/helmreleases/",
}


def _choices() -> tuple[Choice, ...]:
    return choices_of("Debug a {kind}", _is_debugged)


def _is_debugged(kind: Kind) -> bool:
    return kind.kind in _DOCUMENTATION


def _is_kustomization(kind: Kind) -> bool:
    return kind.kind == "Kustomization"


def _is_release(kind: Kind) -> bool:
    return kind.kind == "HelmRelease"


@dataclass(frozen=True)
class Debug(Command):
    """Print what a Kustomization or HelmRelease works with. Variables and values from Secrets are printed in clear.

    Examples:
      fleetloop debug kustomization apps --show-vars
      fleetloop debug helmrelease app --show-values
    """

    kind: Kind = argument(choices=_choices)
    names: tuple[str, ...] = argument(many=True)
    show_status: bool = flag("--show-status", help="print the status")
    show_history: bool = flag("--show-history", help="print the history")
    show_vars: bool = flag("--show-vars", help="print the variables of postBuild", only=_is_kustomization)
    show_values: bool = flag("--show-values", help="print the values for the chart", only=_is_release)

    def check(self) -> None:
        if len(self.names) != 1:
            raise UsageError(f"accepts 1 arg(s), received {len(self.names)}")
        if [self.show_status, self.show_history, self.show_vars, self.show_values].count(True) != 1:
            third = "--show-vars" if _is_kustomization(self.kind) else "--show-values"
            raise UsageError(f"exactly one of --show-status, {third}, or --show-history must be set")

    async def run(self, cx: Context) -> None:
        async with cx.kube() as kube:
            obj = await kube.get(ObjectRef(self.kind.api_version, self.kind.kind, cx.namespace, self.names[0]))
            if self.show_vars:
                if not at(obj, "spec", "postBuild"):
                    raise CliError("no post build substitutions found")
                variables = await read_variables(obj, kube)
                cx.write("".join(f"{name}={variables[name]}\n" for name in sorted(variables)))
            elif self.show_values:
                async with engines_of(cx) as engines:
                    cx.write(formatted(await merged_values(obj, kube, engines), "yaml"))
            else:
                cx.write("".join(self._status(obj)))

    def _status(self, obj: Manifest) -> Iterator[str]:
        documentation = _DOCUMENTATION[self.kind.kind]
        if self.show_history:
            yield f"# History documentation: {documentation}#history\n"
            yield formatted(at(obj, "status", "history") or [], "yaml")
        else:
            yield f"# Status documentation: {documentation}#{self.kind.kind.lower()}-status\n"
            yield formatted(obj.get("status") or {}, "yaml")
