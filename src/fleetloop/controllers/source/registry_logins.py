"""Logins at the registries of clouds, by cloud identity."""

from fleetloop import oci
from fleetloop.api import reasons
from fleetloop.controllers.source.failures import FetchFailed


class RegistryLogins:
    async def login(self, provider: str, namespace: str, service_account: str, repository: oci.Repository) -> oci.Login:
        """Raises FetchFailed."""
        message = f"failed to get credential from {provider}: not available in this version"
        raise FetchFailed(reasons.AUTHENTICATION_FAILED, message)
