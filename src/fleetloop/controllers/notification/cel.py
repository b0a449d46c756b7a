"""CEL as this controller asks it of an engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fleetloop.engine import EngineError, EngineGone, Engines, Family

_TIMEOUT = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Cel:
    """`owner`: the namespace whose expressions these are, so that one's costly ones do not take the engine from the others."""

    engines: Engines
    owner: str = ""

    def of(self, namespace: str) -> "Cel":
        return replace(self, owner=namespace)

    async def problem(self, expression: str, output: str, variables: Sequence[str]) -> str:
        """What is wrong with it, "" for nothing. `output`: `bool`, `string`, "" for any."""
        arguments: dict[str, Any] = {"expressions": [expression], "variables": list(variables), "output": output, "checked": True}
        try:
            answer = await self.engines.call_surely(Family.BUILD, "cel.check", _TIMEOUT, self.owner, **arguments)
        except (EngineError, EngineGone) as error:
            return str(error)
        return str(answer["errors"][0])

    async def value(self, expression: str, output: str, variables: dict[str, Any]) -> Any:
        """Raises ValueError."""
        arguments: dict[str, Any] = {"expressions": [expression], "variables": variables, "output": output, "checked": True}
        try:
            answer = await self.engines.call_surely(Family.BUILD, "cel.eval", _TIMEOUT, self.owner, **arguments)
        except (EngineError, EngineGone) as error:
            raise ValueError(str(error)) from error
        (found,) = answer["values"]
        if problem := found.get("error"):
            raise ValueError(problem)
        return found["value"]

    async def text_of(self, expression: str, variables: dict[str, Any]) -> str:
        """Raises ValueError."""
        return str(await self.value(expression, "string", variables))

    async def holds(self, expression: str, variables: dict[str, Any]) -> bool:
        return bool(await self.value(expression, "bool", variables))
