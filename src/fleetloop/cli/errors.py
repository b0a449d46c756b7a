"""What ends a command. The message is printed once, after `✗`; no usage, no traceback."""


class CliError(Exception):
    """`code` is the exit code; all verbs use 1, but `diff` (1: differs, 2: error)."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class UsageError(CliError):
    """The command line itself is wrong; found before any connection is made."""


class DeadlineExceeded(CliError):
    """`--timeout` ran out. ⚠ CLI5: nothing but this text is promised; `detail` says what was being waited for."""

    def __init__(self) -> None:
        super().__init__("context deadline exceeded")


class HelpAsked(Exception):
    """`-h` or `--help` was among the flags."""
