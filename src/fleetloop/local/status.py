"""What is there, as one document: for `fleetloop local status`, and for scripts that want to use it. Pure."""

from typing import Any

from fleetloop.local.cluster import described
from fleetloop.local.state import StateFolder


def status_of(state: StateFolder, clusters: list[dict[str, Any]], services: dict[str, Any], pid: int | None) -> dict[str, Any]:
    """`services` has `forge` (url, sshUrl, caFile, adminToken, …) and `registry` (url, …) and `chat` (url, hook) while
    they run."""
    return {
        "dir": str(state.path),
        "running": pid is not None,
        "pid": pid,
        "log": str(state.log),
        "kubeconfig": str(state.kubeconfig),
        "clusters": clusters,
        "forge": services.get("forge"),
        "registry": services.get("registry"),
        "chat": services.get("chat"),
    }


def status_at_rest(state: StateFolder) -> dict[str, Any]:
    """No supervisor: what would be there after `up`."""
    return status_of(state, [described(folder) for folder in state.clusters()], {}, None)
