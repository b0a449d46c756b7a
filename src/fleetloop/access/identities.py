"""As whom a source asks a cloud for credentials: its ServiceAccount, the default one of the flags, or the controller itself.

Flux: source-kustomize.md 3.2, helm-notification-image.md 1.3.
"""

from dataclasses import dataclass

from fleetloop.api import names
from fleetloop.auth import OWN_IDENTITY, IdentityError, WorkloadIdentity
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, ServerFailed
from fleetloop.kube.objects import ObjectRef
from fleetloop.kube.service_accounts import service_account_token


class GateDisabled(Exception):
    """The object names a ServiceAccount, and the controller was not told to use those."""

    def __init__(self) -> None:
        super().__init__(
            f"to use spec.serviceAccountName for provider authentication please enable the "
            f"{names.WORKLOAD_IDENTITY_GATE} feature gate in the controller"
        )


@dataclass(frozen=True, slots=True)
class Identities:
    """`enabled`: the gate. `default`: name of the ServiceAccount, in each object's namespace, of objects that name none."""

    kube: Kube
    enabled: bool
    default: str = ""

    async def of(self, namespace: str, service_account: str) -> WorkloadIdentity:
        """Raises GateDisabled, IdentityError; ServerFailed and Unreachable, which are not about the account."""
        if service_account and not self.enabled:
            raise GateDisabled
        name = service_account or self.default
        if not name:
            return OWN_IDENTITY
        try:
            found = await self.kube.get(ObjectRef("v1", "ServiceAccount", namespace, name))
        except ServerFailed:
            raise
        except ApiError as error:
            raise IdentityError(f"failed to get service account '{namespace}/{name}': {error}") from error

        async def request_token(audience: str) -> str:
            try:
                return await service_account_token(self.kube, namespace, name, [audience])
            except ServerFailed:
                raise
            except ApiError as error:
                message = f"failed to create a kubernetes token for service account '{namespace}/{name}': {error}"
                raise IdentityError(message) from error

        return WorkloadIdentity(found["metadata"].get("annotations") or {}, request_token, namespace, name)
