"""The Go libraries whose verdicts ours must equal: one program of them, built from tests/originals, asked in bulk."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parents[1] / "originals"
BUILD_TIME = 600.0  # seconds, with nothing compiled yet
ANSWER_TIME = 60.0


class Originals:
    """`folder`: where the program may be built."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "originals"
        command = ["go", "build", "-trimpath", "-o", str(self._program), "."]
        subprocess.run(command, cwd=SOURCES, env=os.environ | {"CGO_ENABLED": "0"}, check=True, timeout=BUILD_TIME)

    def ask(self, questions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """An answer for each question; main.go has the fields of both."""
        lines = "\n".join(json.dumps(question) for question in questions)
        done = subprocess.run([self._program], input=lines, capture_output=True, text=True, check=True, timeout=ANSWER_TIME)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(questions), done.stderr
        return answers
