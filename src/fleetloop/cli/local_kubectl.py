"""`local kubectl`: the standard client against a local cluster. Developers compile it; no wheel carries it."""

import os
from dataclasses import dataclass

from fleetloop.cli.command import Command, argument, options
from fleetloop.cli.context import Context
from fleetloop.cli.errors import UsageError
from fleetloop.cli.local import LocalOptions


@dataclass(frozen=True)
class Kubectl(Command):
    """Run kubectl against a local cluster. Wheels do not carry it; a source tree can compile it.

    Examples:
      fleetloop local kubectl staging -- get pods -A
    """

    words: tuple[str, ...] = argument(many=True, usage="[word]...")
    local: LocalOptions = options(LocalOptions)

    def check(self) -> None:
        if not self.words:
            raise UsageError("cluster name is required")

    def run(self, cx: Context) -> None:
        from fleetloop.local.programs import Programs

        name, *arguments = self.words
        program = Programs().kubectl
        kubeconfig = self.local.state(cx).cluster(name).kubeconfig
        os.execve(program, ["kubectl", "--kubeconfig", str(kubeconfig), *arguments], dict(cx.environment))
