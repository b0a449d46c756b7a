"""Stands for a controller in tests of the virtual node: tells what it was given, answers HTTP, and misbehaves when asked.

    python fake_component.py COMPONENT [--crash] [--deaf] [--sick] [anything else…]

It prints its arguments, variables and files as one line of JSON, then one line a second. `--crash`: ends with code 3.
`--deaf`: ignores SIGTERM. `--sick`: /healthz fails. Path /sick makes /readyz fail, /well makes it succeed again.
"""

import itertools
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 9440


class Answers(BaseHTTPRequestHandler):
    well = True

    def do_GET(self) -> None:
        if self.path in {"/sick", "/well"}:
            Answers.well = self.path == "/well"
        fails = (self.path == "/healthz" and "--sick" in sys.argv) or (self.path == "/readyz" and not Answers.well)
        self.send_response(500 if fails else 200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Probes would fill the log."""


def said(signal_number: int, frame: object) -> None:
    print("heard SIGTERM", flush=True)
    if "--deaf" not in sys.argv:
        sys.exit(0)


def told() -> dict[str, object]:
    account = Path(os.environ.get("FLEETLOOP_SERVICE_ACCOUNT_DIR", "/nowhere"))
    return {
        "arguments": sys.argv[1:],
        "variables": dict(os.environ),
        "account": {name: (account / name).read_text() for name in ("token", "ca.crt", "namespace") if account.exists()},
    }


def main() -> None:
    print(json.dumps(told()), flush=True)
    if "--crash" in sys.argv:
        print("crashing", file=sys.stderr, flush=True)
        sys.exit(3)
    signal.signal(signal.SIGTERM, said)
    server = ThreadingHTTPServer((os.environ["FLEETLOOP_BIND_ADDRESS"], PORT), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for number in itertools.count(1):
        print(f"line {number}", flush=True)
        time.sleep(1)


if __name__ == "__main__":
    main()
