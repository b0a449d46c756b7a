"""CEL as controllers ask it of an engine. Which expression means what is known elsewhere."""

from collections.abc import Iterable, Sequence
from typing import Any

from fleetloop.engine import EngineError, EngineGone, Engines, Family

TIMEOUT = 5.0  # seconds


class NotCompiled(ValueError):
    """An expression that is wrong whatever it is asked about."""


class Expressions:
    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def check(self, expressions: Sequence[str]) -> list[str]:
        """What is wrong with the syntax of each, "" for nothing."""
        try:
            answer = await self._engines.call_surely(Family.BUILD, "cel.check", TIMEOUT, expressions=expressions, output="bool")
        except (EngineError, EngineGone) as error:
            return [str(error)] * len(expressions)
        errors: list[str] = answer["errors"]
        return errors

    async def evaluate(self, expressions: Sequence[str], variables: dict[str, Any]) -> list[bool | str]:
        """Whether each holds, or why that cannot be told."""
        return await self._evaluate(expressions, variables, checked=False)

    async def holds(self, expression: str, variables: dict[str, Any]) -> bool:
        """One whose types are checked first. Raises NotCompiled; ValueError when it cannot be told for these variables."""
        (answer,) = await self._evaluate([expression], variables, checked=True)
        if isinstance(answer, str):
            raise NotCompiled(answer) if await self._is_wrong(expression, variables) else ValueError(answer)
        return answer

    async def _is_wrong(self, expression: str, variables: Iterable[str]) -> bool:
        names = list(variables)
        try:
            answer = await self._engines.call_surely(
                Family.BUILD, "cel.check", TIMEOUT, expressions=[expression], variables=names, output="bool", checked=True
            )
        except (EngineError, EngineGone):
            return False
        return bool(answer["errors"][0])

    async def _evaluate(self, expressions: Sequence[str], variables: dict[str, Any], *, checked: bool) -> list[bool | str]:
        try:
            answer = await self._engines.call_surely(
                Family.BUILD, "cel.eval", TIMEOUT, expressions=expressions, variables=variables, output="bool", checked=checked
            )
        except (EngineError, EngineGone) as error:
            return [str(error)] * len(expressions)
        return [value.get("error") or bool(value["value"]) for value in answer["values"]]
