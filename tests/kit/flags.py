"""A verb with its flags, as the command line would make it."""

from typing import Any, TypeVar

from fleetloop.cli.command import Command, build, shape_of
from fleetloop.cli.goflags import parse_flags

C = TypeVar("C", bound=Command)


def parsed(command: type[C], *words: str) -> C:
    """Checked too. Raises what its check raises."""
    values: dict[str, Any] = {}
    parse_flags(words, shape_of(command).flags, values, stop_at_argument=False)
    made: C = build(command, values, ())
    made.check()
    return made
