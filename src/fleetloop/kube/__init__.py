"""The Kubernetes client: connection, watches, server-side apply, inventory, health. Knows nothing of controllers.

The HTTP client is imported only when asked for, since the CLI's quick verbs do without it.
"""

from typing import TYPE_CHECKING, Any

from fleetloop.kube.connection import (
    Connection,
    Impersonation,
    from_document,
    from_kubeconfig,
    in_cluster,
    kubeconfig_paths,
)
from fleetloop.kube.errors import (
    AlreadyExists,
    ApiError,
    BadConnection,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KindUnknown,
    NotFound,
    Unreachable,
)
from fleetloop.kube.foreign_kubeconfig import from_foreign_document
from fleetloop.kube.objects import Manifest, ObjectRef, annotations_of, group_of, labels_of, ref_of, version_of

if TYPE_CHECKING:
    from fleetloop.kube.client import Kube, WatchEvent

__all__ = [
    "AlreadyExists", "ApiError", "BadConnection", "Conflict", "Connection", "Expired", "Forbidden", "Impersonation", "Invalid",
    "KindUnknown", "Kube", "Manifest", "NotFound", "ObjectRef", "Unreachable", "WatchEvent", "annotations_of", "from_document",
    "from_foreign_document", "from_kubeconfig", "group_of", "in_cluster", "kubeconfig_paths", "labels_of", "ref_of", "version_of",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in {"Kube", "WatchEvent"}:
        from fleetloop.kube import client

        return getattr(client, name)
    raise AttributeError(name)
