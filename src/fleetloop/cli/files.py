"""Files that flags name."""

from pathlib import Path

from fleetloop.cli.errors import CliError


def read_file(path: str, doing: str = "") -> bytes:
    """Raises CliError; `doing` begins its message where scripts know one."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CliError(f"{doing}: open {path}: {reason}" if doing else f"unable to read {path}: {reason}") from None
