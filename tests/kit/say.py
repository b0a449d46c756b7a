"""A listener for progress lines."""


class Heard:
    """Keeps what a command says, as the command line would show it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def action(self, text: str) -> None:
        self.lines.append(f"► {text}")

    def success(self, text: str) -> None:
        self.lines.append(f"✔ {text}")

    def failure(self, text: str) -> None:
        self.lines.append(f"✗ {text}")

    def waiting(self, text: str) -> None:
        self.lines.append(f"◎ {text}")

    def generate(self, text: str) -> None:
        self.lines.append(f"✚ {text}")

    def warning(self, text: str) -> None:
        self.lines.append(f"⚠️ {text}")
