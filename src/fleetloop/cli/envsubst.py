"""`envsubst`: variables of the environment put into a text, by the rules of a Kustomization's postBuild."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.engines import engines_of
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import quoted

LINE_TIMEOUT = 30.0


@dataclass(frozen=True)
class Envsubst(Command):
    """Replace the variables of a text on stdin with values from the environment, line by line.

    Examples:
      REGION=eu fleetloop envsubst < cluster.yaml | kubectl apply -f -
      fleetloop envsubst --strict < cluster.yaml
    """

    is_bounded: ClassVar[bool] = False  # it ends with its input

    words: tuple[str, ...] = argument(many=True, usage="")
    strict: bool = flag("--strict", help="fail on variables that are not set and have no default")

    async def run(self, cx: Context) -> None:
        from fleetloop.engine import EngineError, Family

        if self.words:
            raise UsageError(f"unknown command {quoted(self.words[0])} for {quoted(f'{cx.program} envsubst')}")
        variables = {
            name: value.encode(errors="surrogateescape").decode(errors="replace") for name, value in cx.environment.items()
        }
        async with engines_of(cx) as engines:
            for line in _lines(cx.answers):
                if "$" not in line:
                    cx.print(line)
                    continue
                given = {"text": line, "variables": variables, "strict": self.strict}
                try:
                    result = await engines.call(Family.BUILD, "substitute.text", LINE_TIMEOUT, None, **given)
                except EngineError as error:
                    raise CliError(str(error)) from None
                cx.print(result["text"])


def _lines(stream: Any) -> Iterator[str]:
    """Without their ends. Waiting for them holds up the event loop, in which nothing else is to be done."""
    for line in stream.buffer if hasattr(stream, "buffer") else ():
        yield line.decode(errors="replace").removesuffix("\n").removesuffix("\r")
