"""The console script: the command line to an exit code. The one place that turns errors into `✗` lines."""

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import PurePath

from fleetloop import __version__
from fleetloop.cli.errors import CliError, Differs, text_of
from fleetloop.cli.say import Say

INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
BROKEN_PIPE = 141  # 128 + SIGPIPE: who read our output has gone


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and exits. `argv` includes the program's name."""
    sys.exit(exit_code_of(sys.argv if argv is None else argv))


def exit_code_of(argv: Sequence[str]) -> int:
    program = program_name(argv[0])
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(encoding="utf-8", errors="surrogateescape")
    say = Say(io.StringIO() if complete_variable(program) in os.environ else sys.stderr)  # a shell that asks wants no words
    try:
        _run(program, list(argv[1:]), say)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter flushes stdout once more at its end
        return BROKEN_PIPE
    except TimeoutError:
        say.failure("context deadline exceeded")
        return 1
    except Exception as error:  # the edge of the process: our errors become a line, a bug keeps its traceback
        leaves = list(_leaves(error))
        if not all(map(_is_expected, leaves)):
            raise
        for leaf in leaves:
            (say.warning if isinstance(leaf, Differs) else say.failure)(text_of(leaf))
        return max(getattr(leaf, "code", 1) if isinstance(leaf, CliError) else 1 for leaf in leaves)
    return 0


def program_name(path: str) -> str:
    """`flux` when reached through a link of that name: scripts see the program they called."""
    name = PurePath(path).name
    return "fleetloop" if name in {"main.py", "__main__.py", "-m", "-c", ""} else name


def _run(program: str, words: list[str], say: Say) -> None:
    if "FLUX_SYSTEM_NAMESPACE" in os.environ:
        from fleetloop.cli.context import warn_of_environment

        warn_of_environment(os.environ, say)
    if words in (["--version"], ["-v"]):  # asked by scripts again and again, so before anything else is imported
        print(f"{program} version {__version__}")
        return
    if words[:1] == ["serve"] and words[1:2] not in ([], ["--help"]):  # a controller's flags are its own, and no verb's
        from fleetloop.serve import main as serve

        sys.exit(serve(words[1:]))
    import click

    from fleetloop.cli.level import CommandLine
    from fleetloop.cli.program import Program
    from fleetloop.cli.verbs import VERBS

    root = Program(program, VERBS, __version__)
    if complete := os.environ.get(complete_variable(program)):
        from fleetloop.cli.completion import answer

        answer(root, program, complete)
        return
    with suppress(click.exceptions.Exit), root.make_context(program, words, obj=CommandLine(program)) as ctx:
        root.invoke(ctx)


def complete_variable(program: str) -> str:
    """The environment variable by which a shell's completion script asks us."""
    return f"_{program.upper()}_COMPLETE".replace("-", "_")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _is_expected(error: BaseException) -> bool:
    return type(error).__module__.startswith("fleetloop.") or isinstance(error, OSError)


if __name__ == "__main__":
    main()
