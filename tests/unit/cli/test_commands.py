"""Commands, their other names, their flags and defaults are those scripts were written for: `tests/cases/cli/commands.txt`."""

from pathlib import Path

import click
import pytest

from fleetloop.cli.goflags import Flag
from fleetloop.cli.level import GLOBAL_FLAGS, CommandLine, Level
from fleetloop.cli.program import GroupCommand, Program
from fleetloop.cli.verbs import VERBS

CASES = Path(__file__).parents[2] / "cases" / "cli" / "commands.txt"
OURS = {"output"}  # beyond the contract: `-o json|yaml` of everything that lists


def blocks() -> dict[str, list[str]]:
    found = {}
    for block in CASES.read_text().split("### ")[1:]:
        title, *lines = block.strip().splitlines()
        found[title] = lines
    return found


BLOCKS = blocks()
COMMANDS = {title: lines for title, lines in BLOCKS.items() if title.startswith("fleetloop")}


def command_at(words: list[str]) -> tuple[click.Command, set[str]]:
    """The command, and the names of the flags its parents have already."""
    command: click.Command = Program("fleetloop", VERBS, "0")
    above: set[str] = set()
    ctx = click.Context(command, obj=CommandLine("fleetloop"))
    for word in words:
        assert isinstance(command, GroupCommand)
        above |= {flag.name for flag in command.own_flags}
        found = command.get_command(ctx, word)
        assert found is not None, f"{word} is missing"
        command = found
    return command, above


def spelled(flag: Flag) -> str:
    short = f",-{flag.short}" if flag.short else ""
    repeatable = " repeatable" if flag.type.is_list else ""
    return f"--{flag.name}{short} {flag.type.name}{repeatable}"


def without_default(line: str) -> str:
    words = line.split(" default=")
    return words[0] + (" repeatable" if len(words) > 1 and line.endswith("repeatable") else "")


@pytest.mark.parametrize("title", COMMANDS)
def test_flags(title: str) -> None:
    command, above = command_at(title.split()[1:])
    assert isinstance(command, Level)
    ours = {spelled(f) for f in command.own_flags if f.name not in above and f.name not in OURS and not f.deprecated}
    theirs = {without_default(line.strip()) for line in COMMANDS[title] if line.startswith("  --")}
    inherited = {f"--{name} " for name in above}  # which may stand before the last word too, with us
    assert ours == {line for line in theirs if not line.startswith(("--output,", *inherited))}


@pytest.mark.parametrize(
    "title", [title for title, lines in COMMANDS.items() if any(line.startswith("aliases:") for line in lines)]
)
def test_other_names(title: str) -> None:
    line = next(line for line in COMMANDS[title] if line.startswith("aliases:"))
    *group, _ = title.split()[1:]
    wanted, _ = command_at(title.split()[1:])
    for alias in line.removeprefix("aliases:").split(","):
        assert command_at([*group, alias.strip()])[0].name == wanted.name


@pytest.mark.parametrize("title", COMMANDS)
def test_usage(title: str) -> None:
    command, _ = command_at(title.split()[1:])
    ours = [title, *command.collect_usage_pieces(click.Context(command))]
    assert f"usage: {' '.join(ours)}" == COMMANDS[title][0]


def test_help_tells_other_names_and_of_itself() -> None:
    def help_of(*words: str) -> str:
        command, _ = command_at(list(words))
        return command.get_help(click.Context(command, obj=CommandLine("fleetloop")))

    assert "Aliases:\n  kustomization, ks\n" in help_of("suspend", "kustomization")
    assert "Aliases:\n  helmrelease, hr\n" in help_of("build", "helmrelease")
    assert "Aliases:\n  sources, source\n" in help_of("get", "sources")
    assert "Aliases:" not in help_of("get")
    assert "\n  help  " in help_of()


def test_global_flags() -> None:
    theirs = {without_default(line.strip()) for line in BLOCKS["global flags of every command"] if line.strip()}
    assert {spelled(flag) for flag in GLOBAL_FLAGS} == theirs


def test_defaults() -> None:
    """Those that are not the zero value of their type."""
    shown = {}
    for title in COMMANDS:
        command, above = command_at(title.split()[1:])
        assert isinstance(command, Level)
        for flag in command.own_flags:
            if flag.name not in above and flag.default not in (None, flag.type.zero):
                shown[f"{title} --{flag.name}"] = flag.type.show(flag.default)
    ignored = ".git/,.gitignore,.gitmodules,.gitattributes,*.jpg,*.jpeg,*.gif,*.png,*.wmv,*.flv,*.tar.gz,*.zip"
    packing = ("build", "diff", "push")
    cloud = ("create source bucket", "create source oci", *(f"{verb} artifact" for verb in ("diff", "pull", "push", "tag")))
    assert shown == {
        **{f"fleetloop {verb} artifact --ignore-paths": ignored for verb in packing},
        **{f"fleetloop {verb} --provider": "generic" for verb in (*cloud, "list artifacts")},
        "fleetloop build artifact --output": "artifact.tgz",
        "fleetloop create helmrelease --reconcile-strategy": "ChartVersion",
        "fleetloop create source chart --reconcile-strategy": "ChartVersion",
        "fleetloop trigger receiver --payload": "{}",
        "fleetloop trigger receiver --retries": "10",
        "fleetloop trigger receiver --retry-delay": "10s",
        "fleetloop trigger receiver --type": "generic",
        "fleetloop create --interval": "1m0s",
        "fleetloop create kustomization --health-check-timeout": "2m0s",
        "fleetloop create kustomization --path": "./",
        "fleetloop create secret git --ssh-ecdsa-curve": "p384",
        "fleetloop create secret git --ssh-key-algorithm": "ecdsa",
        "fleetloop create source git --ssh-ecdsa-curve": "p384",
        "fleetloop create source git --ssh-key-algorithm": "ecdsa",
        "fleetloop create tenant --cluster-role": "cluster-admin",
        "fleetloop diff kustomization --progress-bar": "true",
        "fleetloop logs --flux-namespace": "flux-system",
        "fleetloop logs --tail": "-1",
    }
