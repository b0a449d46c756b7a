"""Progress for the person at the terminal: one line each, symbol first, to stderr. Never coloured, also on a terminal."""

from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Say:
    stream: TextIO

    def action(self, text: str) -> None:
        self._line("►", text)

    def generate(self, text: str) -> None:
        self._line("✚", text)

    def waiting(self, text: str) -> None:
        self._line("◎", text)

    def success(self, text: str) -> None:
        self._line("✔", text)

    def warning(self, text: str) -> None:
        self._line("⚠️", text)

    def failure(self, text: str) -> None:
        self._line("✗", text)

    def _line(self, symbol: str, text: str) -> None:
        self.stream.write(f"{symbol} {text}\n")
        self.stream.flush()
