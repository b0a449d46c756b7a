"""Kubeconfig documents of local clusters: one a cluster, and one with all of them."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from fleetloop.local.pki import Pair
from fleetloop.local.state import write_private


def kubeconfig_of(context: str, server: str, authority: str, user: Pair) -> dict[str, Any]:
    """`context` names cluster, user and context alike, so that documents of several clusters can be merged."""
    return _document(
        [{"name": context, "cluster": {"server": server, "certificate-authority-data": _base64(authority)}}],
        [
            {
                "name": context,
                "user": {
                    "client-certificate-data": _base64(user.certificate),
                    "client-key-data": _base64(user.key),
                },
            }
        ],
        [{"name": context, "context": {"cluster": context, "user": context}}],
        context,
    )


def merged(documents: Sequence[dict[str, Any]], current: str) -> dict[str, Any]:
    """All clusters of the documents. `current` stays the current context if it is one of them, else the first one is."""
    parts = {key: [entry for document in documents for entry in document[key]] for key in ("clusters", "users", "contexts")}
    contexts = [context["name"] for context in parts["contexts"]]
    current = current if current in contexts else next(iter(contexts), "")
    return _document(parts["clusters"], parts["users"], parts["contexts"], current)


def write(path: Path, document: dict[str, Any]) -> None:
    write_private(path, yaml.safe_dump(document, sort_keys=False))


def read(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text())
    if not isinstance(document, dict):
        raise ValueError(f"{path} is not a kubeconfig")
    return document


def _document(clusters: list[Any], users: list[Any], contexts: list[Any], current: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters,
        "users": users,
        "contexts": contexts,
        "current-context": current,
    }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
