"""One word of a command line: the flags it knows, and its help.

Flags may stand before and after the words they belong to, so every level reads what it knows into one dictionary of values,
from which the verb is built at the end.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import click

from fleetloop.cli.command import shape_of
from fleetloop.cli.context import GlobalOptions, default_namespace
from fleetloop.cli.errors import HelpAsked, UsageError
from fleetloop.cli.goflags import Flag, Values, parse_flags

GLOBAL_FLAGS = shape_of(GlobalOptions).flags
HELP_WIDTH = 120
_DAILY = {"namespace", "timeout", "context", "kubeconfig"}


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What has been read of the command line so far, shared by all levels."""

    program: str
    values: Values = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)  # deprecated flags that were already spoken of


class Level:
    """What groups and verbs have in common: a list of flags and the way they are read."""

    own_flags: Sequence[Flag]
    name: str | None
    aliases: Sequence[str]
    help: str | None

    def read(self, ctx: click.Context, words: list[str], *, stop_at_argument: bool) -> list[str]:
        line: CommandLine = ctx.obj
        try:
            rest = parse_flags(words, self.all_flags(), line.values, stop_at_argument=stop_at_argument)
        except UsageError:
            if ctx.resilient_parsing:
                return []
            raise
        except HelpAsked:
            click.echo(ctx.get_help())
            ctx.exit()
        self._report_deprecated(line)
        return rest

    def _report_deprecated(self, line: CommandLine) -> None:
        for flag in self.own_flags:
            if flag.deprecated and flag.name in line.values and flag.name not in line.reported:
                line.reported.add(flag.name)
                print(f"Flag --{flag.name} has been deprecated, {flag.deprecated}")  # ⚠ CLI2: on stdout

    def all_flags(self) -> Sequence[Flag]:
        return [*self.own_flags, *GLOBAL_FLAGS]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write("\n" + (self.help or "").replace("fleetloop ", f"{ctx.obj.program} ") + "\n")
        if self.aliases:
            with formatter.section("Aliases"):
                formatter.write_text(", ".join([self.name or "", *self.aliases]))

    def format_flags(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """All global flags in the root's help; below it the ones that are used daily."""
        common = [flag for flag in GLOBAL_FLAGS if ctx.parent is None or flag.name in _DAILY]
        for title, flags in (("Flags", self.own_flags), ("Global Flags", common)):
            rows = [(_spelled(flag), _described(flag)) for flag in flags if not flag.deprecated]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(sorted(rows, key=lambda row: row[0].strip()), col_max=40)
        if ctx.parent is not None:
            formatter.write(f'\nUse "{ctx.obj.program} --help" for all global flags.\n')


def _spelled(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else "    "
    return f"{short}--{flag.name}" + ("" if flag.is_switch else f" {flag.type.name}")


def _described(flag: Flag) -> str:
    if flag.name == "namespace":
        return f"{flag.help} (default {default_namespace(os.environ)})"
    if flag.default is None or flag.default == flag.type.zero:
        return flag.help
    return f"{flag.help} (default {flag.type.show(flag.default)})"
