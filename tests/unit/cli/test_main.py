"""Errors to exit codes: the edge of the process."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fleetloop.cli.errors import CliError
from fleetloop.cli.main import _is_expected, _leaves, program_name
from fleetloop.kube import Forbidden, Unreachable


@pytest.mark.parametrize(
    ("path", "name"),
    [("/usr/bin/flux", "flux"), ("fleetloop", "fleetloop"), ("/x/fleetloop/cli/main.py", "fleetloop"), ("-m", "fleetloop")],
)
def test_the_program_is_called_what_it_was_called(path: str, name: str) -> None:
    assert program_name(path) == name


def test_errors_of_ours_are_lines_and_bugs_are_tracebacks() -> None:
    assert all(map(_is_expected, [CliError("x"), Forbidden(403, "Forbidden", "x"), Unreachable("x"), FileNotFoundError("x")]))
    assert not any(map(_is_expected, [ValueError("x"), KeyError("x")]))


def test_groups_are_opened() -> None:
    one, two = CliError("1"), CliError("2")
    assert list(_leaves(ExceptionGroup("", [one, ExceptionGroup("", [two])]))) == [one, two]


def test_interrupted(tmp_path: Path) -> None:
    """While it waits for an answer that does not come. A suite in the background has SIGINT ignored, hence `env`."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        server = f"--server=http://127.0.0.1:{deaf.getsockname()[1]}"
        command = ["env", "--default-signal=INT", sys.executable, "-m", "fleetloop.cli.main", "get", "ks", server]
        environment = {"HOME": str(tmp_path)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        deaf.settimeout(60)
        connection, _ = deaf.accept()
        connection.settimeout(60)
        assert connection.recv(4).startswith(b"GET")
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=60)
        connection.close()
    assert (process.returncode, output) == (130, ("", ""))
