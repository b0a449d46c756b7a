"""`python -m fleetloop.local.forge`: runs the forge, says on one line of stdout how to reach it, ends with its parent."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

import uvloop

from .bare_git import GitTooOld
from .certificates import BadAuthority
from .parent import parent_watched
from .server import DEFAULT_RATE_LIMIT, Ready, Settings, run
from .store import StateUnusable, held


def main() -> int:
    settings = _settings()
    try:
        with held(settings.folder):
            uvloop.run(_serve(settings))
    except (BadAuthority, GitTooOld, StateUnusable, OSError) as error:
        print(f"forge: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with parent_watched(stop.set):
        await run(settings, stop, _announce)


def _announce(ready: Ready) -> None:
    """The one line that whoever started us waits for."""
    words = {
        "url": ready.url,
        "sshUrl": ready.ssh_url,
        "caFile": ready.ca_file,
        "adminToken": ready.admin_token,
        "apiUrl": ready.api_url,
    }
    print(json.dumps(words), flush=True)


def _settings() -> Settings:
    parser = argparse.ArgumentParser(prog="python -m fleetloop.local.forge", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="folder that keeps all state")
    parser.add_argument("--address", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--port", type=int, default=0, help="HTTPS port; 0 for any free one")
    parser.add_argument("--ssh-port", type=int, default=0, help="SSH port; 0 for any free one")
    parser.add_argument("--ca-cert", type=Path, required=True, help="certificate authority, created if absent (PEM)")
    parser.add_argument("--ca-key", type=Path, required=True, help="key of the certificate authority (PEM)")
    parser.add_argument("--name", action="append", default=[], help="further host name for the certificate")
    parser.add_argument("--rate-limit", type=int, default=DEFAULT_RATE_LIMIT, help="API requests an hour and person")
    given = parser.parse_args()
    return Settings(
        *(given.dir, given.address, given.port, given.ssh_port, given.ca_cert, given.ca_key),
        names=tuple(given.name),
        rate_limit=given.rate_limit,
    )


if __name__ == "__main__":
    sys.exit(main())
