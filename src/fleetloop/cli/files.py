"""Files that flags name."""

import os

from fleetloop.cli.errors import CliError


def read_file(path: str, doing: str = "") -> bytes:
    """Raises CliError; `doing` begins its message where scripts know one."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        reason = _reason(error)
        raise CliError(f"{doing}: open {path}: {reason}" if doing else f"unable to read {path}: {reason}") from None


def stat_problem(path: str) -> str:
    """Why there is no such file or directory; "" when there is one."""
    try:
        os.stat(path)
    except OSError as error:
        return f"stat {path}: {_reason(error)}"
    return ""


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
