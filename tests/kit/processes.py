"""Questions about processes of this machine. Linux only."""

import contextlib
from pathlib import Path


def is_running(pid: int) -> bool:
    """Not gone, and not a zombie either."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def children_of(pid: int) -> set[int]:
    """Children and theirs."""
    found: set[int] = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if int(entry.read_text().rpartition(")")[2].split()[1]) == pid:
                child = int(entry.parent.name)
                found |= {child} | children_of(child)
    return found


def engines_of(pid: int) -> list[int]:
    """The engines among `children_of`: a worker of these tests has clusters and forges as children too."""
    found = []
    for child in children_of(pid):
        with contextlib.suppress(OSError):
            if b"fleetloop-engine" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found
