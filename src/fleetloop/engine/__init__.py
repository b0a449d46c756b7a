"""Client of the Go engines: processes that evaluate what exists only as Go libraries. Decides nothing itself."""

from fleetloop.engine.engines import Engines
from fleetloop.engine.errors import AnswerRefused, EngineError, EngineGone, EngineKilled, EngineMissing, EngineTimeout
from fleetloop.engine.programs import EngineSettings, Family

__all__ = [
    "AnswerRefused",
    "EngineError",
    "EngineGone",
    "EngineKilled",
    "EngineMissing",
    "EngineSettings",
    "EngineTimeout",
    "Engines",
    "Family",
]
