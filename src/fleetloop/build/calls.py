"""How builds call engines: what a dead process and a late answer mean to a build."""

from collections.abc import Mapping
from typing import Any

from fleetloop.build.errors import BuildError
from fleetloop.engine import EngineError, EngineGone, Engines, EngineTimeout, Family


async def call(
    engines: Engines, family: Family, verb: str, timeout: float, args: Mapping[str, Any], step: str, owner: str = ""
) -> Any:
    """The verb's result. Raises BuildError; `step` begins the message where the verb itself cannot say anything.

    `owner`: see engine.shares."""
    try:
        return await engines.call_surely(family, verb, timeout, owner, **args)
    except EngineTimeout as late:
        raise BuildError(f"{step}: no result within {timeout:g} s") from late
    except EngineGone as gone:
        raise BuildError(f"{step}: {gone}") from gone
    except EngineError as refused:
        raise BuildError(str(refused)) from refused
