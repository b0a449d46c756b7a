"""The generic form of a ConfigMap for spec.kubeConfig: a cluster that trusts this one's service account tokens.

Keys: `address`, `ca.crt`, `audiences` (a line each; else the address), `serviceAccountName`.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from fleetloop.controllers.kustomize.credential import Credential
from fleetloop.controllers.kustomize.kubeconfigs import Access, Described, digest_of, through_proxy
from fleetloop.kube.client import Kube
from fleetloop.kube.connection import Connection
from fleetloop.kube.errors import BadConnection, error_of

LIFE = 3600  # seconds
SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    namespace: str
    name: str


async def request_token(kube: Kube, account: ServiceAccount, audiences: tuple[str, ...]) -> tuple[str, float]:
    """A token of this cluster for others, and when it expires (Unix time). Raises ApiError, Unreachable."""
    path = f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}/token"
    spec = {"audiences": list(audiences), "expirationSeconds": LIFE}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    status, answer = await kube.raw("POST", path, body)
    if status >= 400:
        raise error_of(status, orjson.loads(answer))
    found = orjson.loads(answer)["status"]
    return found["token"], datetime.datetime.fromisoformat(found["expirationTimestamp"]).timestamp()


async def own_account(kube: Kube) -> ServiceAccount:
    """Who the controller is here. Raises BadConnection when it is no service account."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    status, answer = await kube.raw("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    if status >= 400:
        raise error_of(status, orjson.loads(answer))
    user = orjson.loads(answer)["status"]["userInfo"].get("username", "")
    namespace, _, name = user.removeprefix(SERVICE_ACCOUNT).partition(":")
    if not user.startswith(SERVICE_ACCOUNT) or not name:
        raise BadConnection("serviceAccountName is needed, since the controller does not run as a service account")
    return ServiceAccount(namespace, name)


def describe_generic(
    source: str, data: Mapping[str, str], account: ServiceAccount | None, kube: Kube, environment: Mapping[str, str]
) -> Described:
    """`account` None: the controller's own. Raises BadConnection."""
    address, ca = data.get("address", "").rstrip("/"), data.get("ca.crt", "")
    if not address.startswith("https://"):
        raise BadConnection("provider generic needs an address that begins with https://")
    audiences = tuple(line.strip() for line in data.get("audiences", "").splitlines() if line.strip())
    if account is None and audiences:
        # Our own token for an audience that a tenant chooses would be our rights in the tenant's hands.
        raise BadConnection("audiences need a serviceAccountName: the controller's own token is for the address alone")

    async def fetch() -> tuple[str, float]:
        return await request_token(kube, account or await own_account(kube), audiences or (address,))

    async def connect() -> Access:
        credential = Credential(fetch)
        connection = Connection(server=address, ca=ca, token=credential)
        return Access(through_proxy(connection, environment), credential)

    return Described(digest_of(source, dict(data), str(account)), source, connect)
