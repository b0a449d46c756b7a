"""The ConfigMap form of spec.kubeConfig: no secret is stored, credentials are fetched. Providers generic, aws, azure, gcp.

Keys: provider, cluster, address, ca.crt, audiences (a line each), serviceAccountName. Flux: helm-notification-image.md 2.2.
"""

from collections.abc import Awaitable, Callable, Mapping

from fleetloop.access.credential import Credential
from fleetloop.access.kubeconfigs import Access, Described, digest_of, through_proxy
from fleetloop.access.token_requests import ServiceAccount, own_account, request_token, workload_identity
from fleetloop.api import names
from fleetloop.api.meta import Key
from fleetloop.auth import OWN_IDENTITY, IdentityError, Subject, TokenCache, WorkloadIdentity
from fleetloop.auth.managed_clusters import ClusterAccess, ClusterWanted, aks_access, eks_access, gke_access
from fleetloop.kube.client import Kube
from fleetloop.kube.connection import Connection
from fleetloop.kube.errors import BadConnection
from fleetloop.kube.foreign_kubeconfig import ForeignRules

OPERATION = "fetch_kubeconfig"

CloudAccess = Callable[[ClusterWanted, WorkloadIdentity], Awaitable[ClusterAccess]]
CLOUDS: Mapping[str, CloudAccess] = {"aws": eks_access, "azure": aks_access, "gcp": gke_access}


class ClusterConfigs:
    """`kube` is the controller's own identity, which asks for the tokens of service accounts."""

    def __init__(self, kube: Kube, rules: ForeignRules, tokens: TokenCache) -> None:
        self._kube = kube
        self._rules = rules
        self._tokens = tokens

    def describe(self, key: Key, source: str, data: Mapping[str, str]) -> Described:
        """Raises BadConnection."""
        provider, account = data.get("provider", ""), self._account(key, data)
        if provider == "generic":
            fetch = self._generic(data, account)
        elif provider in CLOUDS:
            fetch = self._cloud(provider, data, account)
        else:
            raise BadConnection(f"provider {provider[:50]!r} is none of generic, {', '.join(CLOUDS)}")
        subject = Subject(key.kind, key.name, key.namespace, OPERATION)
        digest = digest_of(dict(data), str(account))

        async def connect() -> Access:
            return await self._connected(digest, fetch, subject)

        return Described(digest, source, connect)

    def _account(self, key: Key, data: Mapping[str, str]) -> ServiceAccount | None:
        """Who fetches; None for the controller itself."""
        name = data.get("serviceAccountName") or self._rules.default_account
        if name and not self._rules.accounts:
            raise BadConnection(f"serviceAccountName needs the feature gate {names.WORKLOAD_IDENTITY_GATE}")
        return ServiceAccount(key.namespace, name) if name else None

    async def _connected(self, digest: str, fetch: Callable[[], Awaitable[ClusterAccess]], subject: Subject) -> Access:
        async def get() -> ClusterAccess:
            try:
                return await self._tokens.get((OPERATION, digest), fetch, subject)
            except IdentityError as error:
                raise BadConnection(str(error)) from error

        async def token() -> tuple[str, float]:
            access = await get()
            return access.token, access.expires_at

        access = await get()
        credential = Credential(token)
        connection = Connection(server=access.address, ca=access.ca, token=credential)
        return Access(through_proxy(connection, self._rules.environment), credential)

    def _generic(self, data: Mapping[str, str], account: ServiceAccount | None) -> Callable[[], Awaitable[ClusterAccess]]:
        """A cluster that trusts this one's service account tokens."""
        address, ca = _address(data), data.get("ca.crt", "")
        if not address:
            raise BadConnection("provider generic needs an address")
        audiences = tuple(line.strip() for line in data.get("audiences", "").splitlines() if line.strip())
        if account is None and audiences:
            # Our own token for an audience that a tenant chooses would be our rights in the tenant's hands.
            raise BadConnection("audiences need a serviceAccountName: the controller's own token is for the address alone")

        async def fetch() -> ClusterAccess:
            asked = account or await own_account(self._kube)
            token, expires_at = await request_token(self._kube, asked, audiences or (address,))
            return ClusterAccess(address, ca, token, expires_at)

        return fetch

    def _cloud(
        self, provider: str, data: Mapping[str, str], account: ServiceAccount | None
    ) -> Callable[[], Awaitable[ClusterAccess]]:
        """The controller's own identity opens more than one cluster: its token goes only where the cloud itself says, and to
        whom it says."""
        ca = data.get("ca.crt", "") if account else ""
        wanted = ClusterWanted(data.get("cluster", ""), _address(data), ca)

        async def fetch() -> ClusterAccess:
            identity = await workload_identity(self._kube, account) if account else OWN_IDENTITY
            return await CLOUDS[provider](wanted, identity)

        return fetch


def _address(data: Mapping[str, str]) -> str:
    address = data.get("address", "").strip().rstrip("/")
    if address and not address.startswith("https://"):
        raise BadConnection("address does not begin with https://")
    return address
