"""The command line by script: `$ command`, what it prints, `2> ` what it says on stderr, `rc` and its exit code.

Where Flux's own output was recorded for the same objects, the scripts are equal to it to the byte;
`FLEETLOOP_TEST_CLI=/path/to/flux` runs them against another program, which will differ where docs/differences.md says so.
`$NS` stands for the test's namespace; a line of `#` is for the reader.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import Space
from tests.kit.cli import Finished

SCRIPTS = sorted(Path(__file__).parent.joinpath("scripts").glob("*.txt"))


@dataclass(frozen=True, slots=True)
class Step:
    command: str
    expected: Finished


def steps(text: str) -> Iterator[Step]:
    command, output, errors = "", [], []
    for line in text.splitlines():
        if not command:
            command = line.removeprefix("$ fleetloop ") if line.startswith("$ ") else ""
        elif line.startswith("2> "):
            errors.append(line.removeprefix("2> ") + "\n")
        elif line.startswith("rc "):
            yield Step(command, Finished("".join(output), "".join(errors), int(line.removeprefix("rc "))))
            command, output, errors = "", [], []
        else:
            output.append(line + "\n")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
async def test_script(script: Path, recorded: Space) -> None:
    for step in steps(script.read_text().replace("$NS", recorded.name)):
        done = await recorded.cli(*shlex.split(step.command))
        assert (step.command, done) == (step.command, step.expected)
