"""Starts a command that the kernel kills when the process that asked for it dies: `python -I -S leash.py PARENT COMMAND…`.

A file of its own, with nothing but the standard library, since it runs before every pod. Linux only; elsewhere the
command runs without the leash.
"""

import ctypes
import os
import signal
import sys

SET_PARENT_DEATH_SIGNAL = 1  # prctl(2), PR_SET_PDEATHSIG; survives execve


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the leash was on
            sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
