"""Every command that a document shows exists, with the flags it is shown with; every local link leads somewhere."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetloop.cli.main import exit_code_of

ROOT = Path(__file__).parents[3]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("reference/*/README.md")]
FENCED = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(fleetloop [a-z][^`]*)`")
LINK = re.compile(r"\]\(([^)#:]+)\)")
SHELL_ENDS = {"|", ">", ">>", "&&", "||", ";"}


def commands_of(text: str) -> Iterator[tuple[str, ...]]:
    """The words after `fleetloop`, without comments, redirections and `[optional]` brackets."""
    lines = [line for block in FENCED.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    inline = [re.sub(r"(\w)(?:\|\w+)+", r"\1", command) for command in INLINE.findall(text)]  # of `up|down` the first
    for line in [*lines, *inline]:
        words = shlex.split(re.sub(r"[\[\]…]", "", line), comments=True)
        while "fleetloop" in words:
            words = words[words.index("fleetloop") + 1 :]
            end = next((at for at, word in enumerate(words) if word in SHELL_ENDS), len(words))
            if words[:end]:
                yield tuple(words[:end])


COMMANDS = sorted({command for document in DOCUMENTS for command in commands_of(document.read_text())})


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_shown_command_exists(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code = exit_code_of(["fleetloop", *command, "--help"])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    usage = shown.out.partition("Usage: ")[2].partition("\n")[0]
    asked = [word for word in command if not word.startswith("-")]
    assert "[command]" not in usage or usage.split()[1:-1] == asked, f"stops at {usage!r}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    missing = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]
    assert not missing
