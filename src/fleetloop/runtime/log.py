"""Logs: one JSON line a fact, with the keys that `flux logs` reads. The logger is bound once a pass.

Flux: helm-notification-image.md 1.2.
"""

import datetime
import logging
import sys
from typing import Any, TextIO, cast

import orjson
import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.typing import EventDict, FilteringBoundLogger

LEVELS = {"trace": logging.NOTSET, "debug": logging.DEBUG, "info": logging.INFO, "error": logging.ERROR}

__all__ = ["LEVELS", "bound_contextvars", "configure", "logger"]


def configure(level: str, encoding: str, out: TextIO = sys.stderr) -> None:
    """Once, at the start of a process. `encoding`: json or console."""
    renderer: Any = _json if encoding == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[merge_contextvars, structlog.processors.format_exc_info, _flux_keys, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)


class _Libraries(logging.Handler):
    """What libraries say, in lines like ours: who reads the log reads JSON."""

    def emit(self, record: logging.LogRecord) -> None:
        logger().error(record.getMessage(), library=record.name, exc_info=record.exc_info)


def logger() -> FilteringBoundLogger:
    return cast(FilteringBoundLogger, structlog.get_logger())


def _flux_keys(_: Any, method: str, event: EventDict) -> EventDict:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    level = "info" if method == "warning" else method
    return {"level": level, "ts": now, "msg": event.pop("event"), **event}


def _json(_: Any, __: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str).decode()
