"""`local`: clusters on this machine, with a Git forge, a registry and a chat. The work is `fleetloop.local`'s."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.output import OUTPUT_FORMAT, formatted
from fleetloop.cli.table import table

if TYPE_CHECKING:
    from fleetloop.local.state import StateFolder

FIRST_CLUSTER = "local"


@dataclass(frozen=True)
class LocalOptions:
    """The flags of every `local` verb."""

    folder: str = flag("--dir", help="the folder that keeps all state; under the user's data by default")

    def state(self, cx: Context) -> "StateFolder":
        from fleetloop.local.state import StateFolder, default_folder

        return StateFolder((Path(self.folder) if self.folder else default_folder(cx.environment)).absolute())


@dataclass(frozen=True)
class Up(Command):
    """Start clusters on this machine: those that are named, else those that were here before.

    Examples:
      fleetloop local up
      fleetloop local up staging production
    """

    names: tuple[str, ...] = argument(many=True, usage="[name]...")
    local: LocalOptions = options(LocalOptions)
    unsafe_no_fsync: bool = flag("--unsafe-no-fsync", help="faster clusters, which a power cut may damage")
    output: str = flag("--output", "-o", type=OUTPUT_FORMAT, help="print what runs as json or yaml")

    async def run(self, cx: Context) -> None:
        from fleetloop.local.lifecycle import up

        def tell(cluster: str, event: str) -> None:
            if event == "ready":
                cx.say.success(f"cluster {cluster} is ready")
            elif event == "starting":
                cx.say.waiting(f"starting cluster {cluster}")
            else:
                cx.say.failure(f"cluster {cluster}: {event}")

        state = self.local.state(cx)
        names = self.names or (() if state.clusters() else (FIRST_CLUSTER,))
        document = await up(state, names, tell, ("--unsafe-no-fsync",) if self.unsafe_no_fsync else ())
        cx.say.success(f"contexts are in {document['kubeconfig']}")
        if self.output:
            cx.write(formatted(document, self.output))


@dataclass(frozen=True)
class Down(Command):
    """Stop all local clusters, the forge and the registry; `up` takes them up again as they were.

    Examples:
      fleetloop local down
    """

    local: LocalOptions = options(LocalOptions)

    async def run(self, cx: Context) -> None:
        from fleetloop.local.lifecycle import down

        cx.say.action("stopping local clusters")
        stopped = await down(self.local.state(cx))
        cx.say.success("local clusters stopped" if stopped else "nothing was running")


@dataclass(frozen=True)
class Reset(Command):
    """Stop all local clusters, the forge and the registry, and remove all they hold.

    Examples:
      fleetloop local reset --silent
    """

    local: LocalOptions = options(LocalOptions)
    silent: bool = flag("--silent", "-s", help="reset without asking")

    async def run(self, cx: Context) -> None:
        from fleetloop.local.lifecycle import reset

        state = self.local.state(cx)
        if not self.silent:
            cx.confirm(f"Are you sure you want to remove all local clusters and repositories in {state.path}")
        cx.say.action("removing local clusters")
        await reset(state)
        cx.say.success("local clusters removed")


@dataclass(frozen=True)
class Status(Command):
    """Show the local clusters, the forge, the registry and the chat.

    Examples:
      fleetloop local status
      fleetloop local status -o json
    """

    local: LocalOptions = options(LocalOptions)
    output: str = flag("--output", "-o", type=OUTPUT_FORMAT, help="print everything as json or yaml")

    async def run(self, cx: Context) -> None:
        from fleetloop.local.lifecycle import status

        document = await status(self.local.state(cx))
        if self.output:
            cx.write(formatted(document, self.output))
            return
        cx.write(table(["Name", "Context", "Server", "Ready", "Pods"], [_row(cluster) for cluster in document["clusters"]]))
        for service in ("forge", "registry", "chat"):
            if document[service]:
                cx.print(f"\n{service}: {document[service].get('url', '')}")


def _row(cluster: dict[str, Any]) -> list[str]:
    return [cluster["name"], cluster["context"], cluster["server"], str(cluster["ready"]), str(len(cluster["pods"]))]
