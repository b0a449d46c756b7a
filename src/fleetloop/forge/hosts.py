"""Where a forge lives: one reading of `--hostname` for API, web and SSH (bootstrap ⚠ 23, 24, 25)."""

import re
from urllib.parse import SplitResult, urlsplit

from fleetloop.forge.errors import InvalidHost

_LABEL = r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


def domain_of(hostname: str) -> str:
    """`host` or `host:port`, checked. A scheme, a path or credentials are refused. Raises InvalidHost."""
    parts = urlsplit(f"//{hostname}")
    if parts.netloc != hostname or not hostname or not _is_host(parts):
        raise InvalidHost(f'invalid hostname "{hostname}": expected host or host:port, without scheme or path')
    return hostname


def _is_host(parts: SplitResult) -> bool:
    try:
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return "@" not in parts.netloc and port != 0 and (":" in host or _NAME.fullmatch(host) is not None)
