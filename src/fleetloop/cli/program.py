"""Turns the table of verbs into click commands: groups, and verbs that are loaded when they are named."""

import importlib
import inspect
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from fleetloop.cli.command import Choice, Command, build, flags_of, shape_of
from fleetloop.cli.context import Context, GlobalOptions
from fleetloop.cli.errors import CliError, DeadlineExceeded, UsageError
from fleetloop.cli.goflags import BOOL, Flag, quoted
from fleetloop.cli.level import HELP_WIDTH, CommandLine, Level
from fleetloop.cli.plugin_folder import Plugin, PluginFolder
from fleetloop.cli.say import Say
from fleetloop.cli.verbs import Group, Verb

HELP = "help"
_WORDS = "fleetloop.cli.words"  # of the whole line, for a plugin
VERSION_FLAG = Flag("version", "v", "version", BOOL, False, "print the version")


class VerbCommand(Level, click.Command):
    """One runnable command. `chosen` is the value of the sub-command that was picked, for verbs over kinds."""

    def __init__(self, name: str, cls: type[Command], chosen: Any = None, short: str = "", aliases: tuple[str, ...] = ()) -> None:
        self.aliases = aliases
        self._cls, self.chosen, self.names_kind = cls, chosen, cls.names_kind
        shape = shape_of(cls, chosen)
        self.own_flags = shape.flags
        self.usage = shape.usage
        text = inspect.getdoc(cls) or ""
        super().__init__(name, help=text, short_help=short or text.partition("\n")[0], add_help_option=False)
        self.context_settings = {"max_content_width": HELP_WIDTH}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = self.read(ctx, args, stop_at_argument=False)
        return ctx.args

    def invoke(self, ctx: click.Context) -> None:
        line: CommandLine = ctx.obj
        cx = context_of(line, checks_namespace=self._cls.checks_namespace)
        cx.check_namespace()
        verb = build(self._cls, line.values, ctx.args, self.chosen)
        verb.check()
        if inspect.iscoroutinefunction(verb.run):
            import asyncio

            asyncio.run(_within(verb, cx))
        else:
            verb.run(cx)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*filter(None, [self.usage]), "[flags]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_flags(ctx, formatter)


class GroupCommand(Level, click.Group):
    """A word with sub-commands. ⚠ CLI1: alone, or before a word it does not know, it prints its help and succeeds."""

    def __init__(self, name: str, group: Group, flags: Sequence[Flag] = ()) -> None:
        self.own_flags, self.aliases = tuple(flags), group.aliases
        self._group = group
        super().__init__(name, help=group.help, add_help_option=False, invoke_without_command=True, no_args_is_help=False)
        self.context_settings = {"max_content_width": HELP_WIDTH}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._group.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for name, entry in self._group.verbs.items():
            if cmd_name == name or cmd_name in entry.aliases:
                return command_of(name, entry)
        return None

    def short_help_of(self, name: str) -> str:
        return self._group.verbs[name].help

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest = self.read(ctx, args, stop_at_argument=True)
        ctx._protected_args, ctx.args = rest[:1], rest[1:]
        return ctx.args

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        found = self.get_command(ctx, args[0])
        return (found.name if found else None), found, args[1:]

    def invoke(self, ctx: click.Context) -> None:
        words = [*ctx._protected_args, *ctx.args]
        name, command, rest = self.resolve_command(ctx, words) if words else (None, None, [])
        if command is None:
            self.without_command(ctx, words)
            return
        with command.make_context(name, rest, parent=ctx) as sub:
            command.invoke(sub)

    def without_command(self, ctx: click.Context, words: list[str]) -> None:
        self.read(ctx, words, stop_at_argument=False)  # flags after an unknown word are still checked
        click.echo(ctx.get_help())

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return ["[command]"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.short_help_of(name)) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Available Commands"):
                formatter.write_dl(rows)
        self.format_flags(ctx, formatter)


class KindGroup(GroupCommand):
    """A verb over kinds: each choice of its subject is a sub-command, with groups where the choices have two words."""

    def __init__(self, name: str, cls: type[Command], choices: Sequence[Choice], depth: int = 0, help: str = "") -> None:
        self._cls, self._choices, self._depth = cls, choices, depth
        text = help or (inspect.getdoc(cls) or "")
        aliases = (name.removesuffix("s"),) if depth and name.endswith("s") else ()
        super().__init__(name, Group(text, aliases=aliases), _shared_flags(cls, choices))

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({choice.words[self._depth] for choice in self._choices})

    def short_help_of(self, name: str) -> str:
        below = [choice for choice in self._choices if choice.words[self._depth] == name]
        return below[0].help if self._is_leaf(below) else f"{(self.help or '').partition(chr(10))[0].split(' ')[0]} {name}"

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for name in self.list_commands(ctx):
            below = [choice for choice in self._choices if choice.words[self._depth] == name]
            if self._is_leaf(below):
                if cmd_name == name or cmd_name in below[0].aliases:
                    return VerbCommand(name, self._cls, below[0].value, below[0].help, below[0].aliases)
            elif cmd_name in {name, name.removesuffix("s")}:  # `get sources`, `get source`
                return KindGroup(name, self._cls, below, self._depth + 1, self.short_help_of(name))
        return None

    def _is_leaf(self, choices: Sequence[Choice]) -> bool:
        return len(choices[0].words) == self._depth + 1


class Program(GroupCommand):
    """The root: knows `--version` and `help`, and refuses a word it does not know."""

    def __init__(self, name: str, verbs: dict[str, Verb | Group], version: str) -> None:
        super().__init__(name, Group("Build, bootstrap and keep a fleet of clusters equal to Git.", verbs), [VERSION_FLAG])
        self._version = version
        self._plugins = PluginFolder.of(os.environ)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_WORDS] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> None:
        if plugin := self._plugin_named(ctx):
            sys.stdout.flush()
            before = ctx.meta[_WORDS][: len(ctx.meta[_WORDS]) - len(ctx.args) - 1]
            os.execv(plugin.path, [str(plugin.path), *before, *ctx.args])  # the user put it there
        elif ctx.obj.values.pop(VERSION_FLAG.name, False) and not ctx._protected_args:
            click.echo(f"{ctx.obj.program} version {self._version}")
        elif ctx._protected_args == [HELP]:
            self._help(ctx, ctx.args)
        else:
            super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), HELP])

    def short_help_of(self, name: str) -> str:
        return "Help about any command" if name == HELP else super().short_help_of(name)

    def _plugin_named(self, ctx: click.Context) -> Plugin | None:
        """Names of our own cannot be taken over."""
        word = next(iter(ctx._protected_args), "")
        taken = not word or word == HELP or self.get_command(ctx, word) is not None
        return None if taken else self._plugins.find(word)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        found = [one.name for one in self._plugins.plugins() if one.name != HELP and not self.get_command(ctx, one.name)]
        if found:
            with formatter.section("Plugin Commands"):
                formatter.write_dl([(name, f"Runs the {name} plugin") for name in found])

    def without_command(self, ctx: click.Context, words: list[str]) -> None:
        if words:
            raise UsageError(f"unknown command {quoted(words[0])} for {quoted(ctx.obj.program)}{self._suggestion(ctx, words[0])}")
        super().without_command(ctx, words)

    def _help(self, ctx: click.Context, words: list[str]) -> None:
        """`help get sources`: the help of the deepest command the words name."""
        if words and self.get_command(ctx, words[0]):
            ctx._protected_args, ctx.args = words[:1], [*words[1:], "--help"]
            super().invoke(ctx)
        else:
            click.echo(ctx.get_help())

    def _suggestion(self, ctx: click.Context, word: str) -> str:
        import difflib

        close = difflib.get_close_matches(word, self.list_commands(ctx), cutoff=0.7)
        return "\n\nDid you mean this?\n" + "".join(f"\t{name}\n" for name in close) if close else ""


def command_of(name: str, entry: Verb | Group) -> click.Command:
    """The click command of a table entry; imports the entry's file."""
    if isinstance(entry, Group):
        return GroupCommand(name, entry, shape_of(_class_at(entry.options)).flags if entry.options else ())
    cls = _class_at(entry.path)
    choices = shape_of(cls).choices
    return KindGroup(name, cls, choices) if choices else VerbCommand(name, cls, short=entry.help, aliases=entry.aliases)


def context_of(line: CommandLine, *, checks_namespace: bool = True) -> Context:
    return Context(
        program=line.program,
        options=build(GlobalOptions, line.values, ()),
        environment=os.environ,
        say=Say(sys.stderr),
        out=sys.stdout,
        answers=sys.stdin or io.StringIO(),
        checks_namespace=checks_namespace,
    )


async def _within(verb: Command, cx: Context) -> None:
    """`--timeout` bounds the verb as a whole."""
    import asyncio

    running = verb.run(cx)
    if running is None:
        return
    try:
        async with asyncio.timeout(cx.remaining() if verb.is_bounded else None):
            await running
    except TimeoutError:
        raise DeadlineExceeded from None


def _shared_flags(cls: type[Command], choices: Sequence[Choice]) -> list[Flag]:
    """The flags that all of the choices have: they may stand before the word that picks one."""
    first, *others = (tuple(flags_of(cls, choice.value)) for choice in choices)
    return [flag for flag in first if all(flag.name in {other.name for other in flags} for flags in others)]


def _class_at(path: str) -> Any:
    file, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(f"fleetloop.cli.{file}"), name)
    except ModuleNotFoundError as error:
        if error.name == f"fleetloop.cli.{file}":
            raise CliError(f"{name} is not part of this installation") from None
        raise
