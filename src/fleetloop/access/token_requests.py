"""Tokens of this cluster's service accounts, asked for with the controller's identity: clouds and other clusters trust them."""

from dataclasses import dataclass

import orjson

from fleetloop.auth import IdentityError, WorkloadIdentity
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, BadConnection, Unreachable, error_of
from fleetloop.kube.objects import ObjectRef, annotations_of
from fleetloop.kube.service_accounts import token_and_expiry

LIFE = 3600  # seconds
SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    namespace: str
    name: str


async def request_token(kube: Kube, account: ServiceAccount, audiences: tuple[str, ...]) -> tuple[str, float]:
    """A token for others, and when it expires (Unix time). Raises ApiError, Unreachable."""
    token, expiry = await token_and_expiry(kube, account.namespace, account.name, audiences, lifetime=LIFE)
    return token, expiry.timestamp()


async def own_account(kube: Kube) -> ServiceAccount:
    """Who the controller is. Raises BadConnection when it is no service account, ApiError, Unreachable."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    status, answer = await kube.raw("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    found = orjson.loads(answer)
    if status >= 400:
        raise error_of(status, found)
    user = found["status"]["userInfo"].get("username", "")
    namespace, _, name = user.removeprefix(SERVICE_ACCOUNT).partition(":")
    if not user.startswith(SERVICE_ACCOUNT) or not name:
        raise BadConnection("serviceAccountName is needed, since the controller does not run as a service account")
    return ServiceAccount(namespace, name)


async def workload_identity(kube: Kube, account: ServiceAccount) -> WorkloadIdentity:
    """How clouds know it. Raises ApiError, Unreachable."""
    live = await kube.get(ObjectRef("v1", "ServiceAccount", account.namespace, account.name))

    async def token_for(audience: str) -> str:
        try:
            return (await request_token(kube, account, (audience,)))[0]
        except (ApiError, Unreachable) as error:
            raise IdentityError(f"service account '{account.namespace}/{account.name}': {error}") from error

    return WorkloadIdentity(annotations_of(live), token_for, account.namespace, account.name)
