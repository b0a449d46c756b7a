"""What an object's status says, for tests that wait for it."""

from collections.abc import Callable
from typing import Any

from fleetloop.kube import Manifest


def condition(live: Manifest, type: str = "Ready") -> dict[str, Any]:
    """Empty when absent."""
    conditions = (live.get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == type), {})


def ready(value: str, reason: str = "") -> Callable[[Manifest], bool]:
    """Whether Ready has this status, and this reason if one is given."""

    def wanted(live: Manifest) -> bool:
        found = condition(live)
        return found.get("status") == value and reason in {"", found.get("reason")}

    return wanted
