"""`completion`: scripts that teach a shell our words, and the answers those scripts ask us for.

The scripts call the program again with the line so far; what fits next is printed. Names of objects come from the cluster.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete

from fleetloop.api.kinds import Kind
from fleetloop.cli.command import Choice, Command, argument
from fleetloop.cli.context import Context, kubeconfigs
from fleetloop.cli.goflags import Flag
from fleetloop.cli.level import CommandLine, Level
from fleetloop.cli.main import complete_variable
from fleetloop.cli.program import GroupCommand, VerbCommand, context_of
from fleetloop.cli.subjects import BY_NAME

PATIENCE = 3.0  # seconds a person waits for a completion

_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $env:%(complete_var)s = "powershell_complete"
    $env:COMP_WORDS = $commandAst.ToString()
    $env:COMP_CWORD = $wordToComplete
    (%(prog_name)s | Out-String) -split "`n" | Where-Object { $_ } | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_.Trim(), $_.Trim(), "ParameterValue", $_.Trim())
    }
    Remove-Item Env:%(complete_var)s, Env:COMP_WORDS, Env:COMP_CWORD
}
"""


class Zsh(ZshComplete):
    """The function is called as people's own `compdef` lines expect it, and the script ends with one."""

    @property
    def func_name(self) -> str:
        return f"_{self.prog_name}"

    def source(self) -> str:
        return f"{super().source()}\ncompdef {self.func_name} {self.prog_name}"


class PowerShellComplete(ShellComplete):
    """PowerShell hands over the whole line and the word at the cursor."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        words = os.environ["COMP_WORDS"].split()[1:]
        incomplete = os.environ["COMP_CWORD"]
        return (words[:-1] if incomplete else words), incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        return item.value


SHELLS: dict[str, type[ShellComplete]] = {
    "bash": BashComplete,
    "fish": FishComplete,
    "powershell": PowerShellComplete,
    "zsh": Zsh,
}


def _shells() -> tuple[Choice, ...]:
    return tuple(Choice((name,), name, f"Generate completion code for {name}") for name in SHELLS)


@dataclass(frozen=True)
class Completion(Command):
    """Generate completion scripts for various shells.

    Examples:
      . <(fleetloop completion bash)
      fleetloop completion fish > ~/.config/fish/completions/fleetloop.fish
    """

    shell: str = argument(choices=_shells)

    def run(self, cx: Context) -> None:
        variable = complete_variable(cx.program)
        cx.print(SHELLS[self.shell](click.Command(cx.program), {}, cx.program, variable).source())


def answer(root: GroupCommand, program: str, instruction: str) -> None:
    """Prints what may follow the line that the shell's script put into the environment."""
    shell = SHELLS[instruction.partition("_")[0]](root, {}, program, complete_variable(program))
    words, incomplete = shell.get_completion_args()
    for found in candidates(root, program, words, incomplete):
        print(shell.format_completion(found))


def candidates(root: GroupCommand, program: str, words: list[str], incomplete: str) -> list[CompletionItem[str]]:
    """What may stand in place of `incomplete` after `words`. Raises our errors when the cluster must be asked and cannot."""
    awaited = _flag_awaiting_value(root, program, words)
    ctx = _deepest(root, program, words[:-1] if awaited else words)
    if awaited:
        found: Iterable[tuple[str, str]] = ((value, "") for value in _values_of(awaited, ctx))
    elif incomplete.startswith("-"):
        found = ((f"--{flag.name}", flag.help) for flag in _flags_at(ctx))
    elif isinstance(ctx.command, GroupCommand):
        group = ctx.command
        found = ((name, group.short_help_of(name)) for name in group.list_commands(ctx))
    else:
        found = ((name, "") for name in _names_for(ctx))
    return [CompletionItem(value, help=help or None) for value, help in found if value.startswith(incomplete)]


def _deepest(root: GroupCommand, program: str, words: list[str]) -> click.Context:
    """The context of the last command that the words name."""
    ctx = root.make_context(program, list(words), obj=CommandLine(program), resilient_parsing=True)
    while isinstance(ctx.command, GroupCommand):
        words = [*ctx._protected_args, *ctx.args]
        name, command, rest = ctx.command.resolve_command(ctx, words) if words else (None, None, [])
        if command is None:
            break
        ctx = command.make_context(name, rest, parent=ctx, resilient_parsing=True)
    return ctx


def _flag_awaiting_value(root: GroupCommand, program: str, words: list[str]) -> Flag | None:
    if not words or not words[-1].startswith("-") or "=" in words[-1]:
        return None
    flags = _flags_at(_deepest(root, program, words[:-1]))
    spelled = words[-1]
    return next((f for f in flags if spelled in {f"--{f.name}", f"-{f.short}"} and not f.is_switch), None)


def _flags_at(ctx: click.Context) -> Iterator[Flag]:
    if isinstance(ctx.command, Level):
        yield from ctx.command.all_flags()


def _values_of(flag: Flag, ctx: click.Context) -> Iterator[str]:
    if flag.name == "namespace":
        yield from (obj["metadata"]["name"] for obj in _impatient(ctx).cluster.list("v1", "Namespace"))
    elif flag.name == "context":
        yield from _contexts(_impatient(ctx))
    else:
        yield from flag.type.choices


def _contexts(cx: Context) -> Iterator[str]:
    from fleetloop.api.yaml import load

    for path in kubeconfigs(cx.options, cx.environment):
        document: Any = load(path.read_bytes()) or {}
        yield from (entry["name"] for entry in document.get("contexts") or [])


def _names_for(ctx: click.Context) -> Iterator[str]:
    """Names of the objects of the verb's kind."""
    command = ctx.command
    chosen = command.chosen if isinstance(command, VerbCommand) else None
    if isinstance(command, VerbCommand) and command.names_kind:
        chosen = BY_NAME[command.names_kind]
    kinds = chosen if isinstance(chosen, tuple) else (chosen,)
    if len(kinds) == 1 and isinstance(kinds[0], Kind):
        cx, kind = _impatient(ctx), kinds[0]
        yield from (obj["metadata"]["name"] for obj in cx.cluster.list(kind.api_version, kind.kind, cx.namespace))


def _impatient(ctx: click.Context) -> Context:
    cx = context_of(ctx.obj)
    return replace(cx, options=replace(cx.options, timeout=min(cx.options.timeout, PATIENCE)))
