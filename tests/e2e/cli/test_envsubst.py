"""`envsubst` with the real engine."""

from tests.kit.cli import Finished, run_cli


def substituted(text: str, *words: str) -> Finished:
    return run_cli(["envsubst", *words], {"FOO": "bar", "EMPTY": ""}, text)


def test_line_by_line() -> None:
    """A missing line end is added; carriage returns are dropped."""
    done = substituted("a ${FOO} $FOO $${FOO}\r\n${NOBODY:=d}${EMPTY:-e}|${NOBODY}\n\nlast ${FOO^^}")
    assert done == Finished("a bar $FOO ${FOO}\nde|\n\nlast BAR\n", "", 0)


def test_expressions_end_with_their_line() -> None:
    done = substituted("first\n${FOO\n}\n")
    assert done == Finished("first\n", "✗ missing closing brace\n", 1)


def test_strict() -> None:
    done = substituted("${FOO}\n${NOPE}\nnever\n", "--strict")
    assert done == Finished("bar\n", '✗ variable not set (strict mode): "NOPE"\n', 1)


def test_long_lines() -> None:
    """⚠ CLI42: no line is too long."""
    text = "x" * 100_000 + "${FOO}\n" + "next\n"
    assert substituted(text) == Finished("x" * 100_000 + "bar\nnext\n", "", 0)


def test_no_arguments() -> None:
    assert substituted("", "x") == Finished("", '✗ unknown command "x" for "fleetloop envsubst"\n', 1)
