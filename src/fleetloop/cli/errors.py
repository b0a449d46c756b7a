"""What ends a command. The message is printed once, after `✗`; no usage, no traceback."""

from typing import Any


class CliError(Exception):
    """`code` is the exit code; all verbs use 1, but `diff` (1: differs, 2: error)."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class UsageError(CliError):
    """The command line itself is wrong; found before any connection is made."""


class Differs(CliError):
    """No failure: what was looked for was found, and the exit code says so. Printed after `⚠️`."""


class DeadlineExceeded(CliError):
    """`--timeout` ran out. ⚠ CLI5: this bare text is the last line; `last` is the object as it was seen last, if any was."""

    def __init__(self, last: dict[str, Any] | None = None) -> None:
        super().__init__("context deadline exceeded")
        self.last = last


def text_of(error: BaseException) -> str:
    """The line that scripts know. Imports what it must name only now: most commands end without an error."""
    from fleetloop.kube.errors import NotConnected

    if isinstance(error, NotConnected):
        return f'failed to get server groups: Get "{error.server}/api": {error.reason}'
    return str(error)


class HelpAsked(Exception):
    """`-h` or `--help` was among the flags."""
