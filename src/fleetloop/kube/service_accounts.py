"""Tokens of ServiceAccounts for others than the API server (TokenRequest)."""

from collections.abc import Sequence

import orjson

from fleetloop.kube.client import Kube
from fleetloop.kube.errors import error_of

SHORTEST = 600  # seconds; the API server gives none for less


async def service_account_token(
    kube: Kube, namespace: str, name: str, audiences: Sequence[str], *, lifetime: int = SHORTEST
) -> str:
    """`lifetime`: seconds. Raises ApiError, Unreachable."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    spec = {"audiences": list(audiences), "expirationSeconds": lifetime}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    status, answer = await kube.raw("POST", path, body)
    if status >= 400:
        raise error_of(status, orjson.loads(answer))
    return str(orjson.loads(answer)["status"]["token"])
