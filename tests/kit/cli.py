"""The command line as a child process: what it printed, where, and its exit code."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PROGRAM = os.environ.get("FLEETLOOP_TEST_CLI")
"""Another program to run the same scripts against."""

PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Finished:
    output: str
    errors: str
    code: int


def run_cli(words: Sequence[str], environment: Mapping[str, str], answers: str = "") -> Finished:
    """`answers` is what stdin holds."""
    command = [PROGRAM] if PROGRAM else [sys.executable, "-m", "fleetloop.cli.main"]
    done = subprocess.run(
        [*command, *words],
        capture_output=True,
        text=True,
        input=answers,
        env=os.environ | environment,
        timeout=PATIENCE,
        check=False,
    )
    return Finished(done.stdout, done.stderr, done.returncode)
