"""Who asks a cloud for a token: a Kubernetes ServiceAccount, or the process itself. Values only; nothing here reads a cluster.

Flux: source-kustomize.md 3.2, helm-notification-image.md 2.2.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from fleetloop.auth.errors import IdentityError

# audience -> a token of the ServiceAccount for it. Raises IdentityError.
RequestToken = Callable[[str], Awaitable[str]]


@dataclass(frozen=True)
class WorkloadIdentity:
    """`annotations`, `namespace` and `name` of the ServiceAccount. `request_token` None: the process's own identity."""

    annotations: Mapping[str, str] = field(default_factory=dict)
    request_token: RequestToken | None = None
    namespace: str = ""
    name: str = ""

    async def token(self, audience: str) -> str:
        """Raises IdentityError."""
        if self.request_token is None:
            raise IdentityError("the process's own identity has no ServiceAccount to ask for a token")
        return await self.request_token(audience)

    def annotation(self, key: str) -> str:
        """Raises IdentityError when the ServiceAccount lacks it."""
        value = self.annotations.get(key, "")
        if not value:
            raise IdentityError(f"service account '{self.namespace}/{self.name}' has no annotation {key}")
        return value

    @property
    def cache_key(self) -> tuple[str, ...]:
        """What of the identity decides the token: another annotation is another token."""
        if self.request_token is None:
            return ()
        return (self.namespace, self.name, *(f"{key}={value}" for key, value in sorted(self.annotations.items())))


OWN_IDENTITY = WorkloadIdentity()
