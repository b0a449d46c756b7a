"""The engine for verbs that build: with what a remote base needs of the environment, and no more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fleetloop.cli.context import Context

if TYPE_CHECKING:
    from fleetloop.engine import Engines

_NEEDED = {"PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}


@asynccontextmanager
async def engines_of(cx: Context) -> AsyncIterator["Engines"]:
    from fleetloop.engine import Engines, EngineSettings

    environment = {name: value for name, value in cx.environment.items() if name.upper() in _NEEDED}
    async with Engines(EngineSettings(environment=environment)) as engines:
        yield engines
