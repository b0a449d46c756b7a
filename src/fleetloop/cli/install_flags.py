"""The flags that say what is installed; `bootstrap` and `install` share them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fleetloop.bootstrap import validation
from fleetloop.cli.command import flag
from fleetloop.cli.goflags import FlagType

if TYPE_CHECKING:
    from fleetloop.bootstrap.components import InstallOptions
    from fleetloop.bootstrap.pull_secret import PullSecret

LOG_LEVEL = FlagType("|".join(validation.LOG_LEVELS), validation.log_level, "", choices=validation.LOG_LEVELS)


@dataclass(frozen=True)
class InstallFlags:
    """What is installed, and with which settings."""

    version: str = flag("--version", "-v", help="version to install; it must be this program's own")
    components: tuple[str, ...] = flag("--components", default=validation.DEFAULT, help="components to install")
    components_extra: tuple[str, ...] = flag("--components-extra", help=f"further components: {', '.join(validation.EXTRA)}")
    registry: str = flag("--registry", default="ghcr.io/fleetloop", help="registry of the controllers' images")
    registry_creds: str = flag("--registry-creds", help="user:password for the registry; needs --image-pull-secret")
    image_pull_secret: str = flag("--image-pull-secret", help="Secret with which the images are pulled")
    network_policy: bool = flag("--network-policy", default=True, help="restrict who can reach the controllers")
    watch_all_namespaces: bool = flag("--watch-all-namespaces", default=True, help="watch objects in every namespace")
    log_level: str = flag("--log-level", type=LOG_LEVEL, default="info", help="level of the controllers' logs")
    cluster_domain: str = flag("--cluster-domain", default="cluster.local", help="the cluster's internal domain")
    toleration_keys: tuple[str, ...] = flag("--toleration-keys", help="taints that the controllers tolerate")
    force: bool = flag("--force", help="take over an installation that another tool manages, without asking")

    def check(self) -> None:
        """Raises InvalidPlan."""
        validation.components_of(self.components, self.components_extra)
        validation.registry_credentials(self.registry_creds, self.image_pull_secret)
        validation.check_version(self.version)

    def options(self, namespace: str) -> "InstallOptions":
        from fleetloop.bootstrap.components import InstallOptions

        return InstallOptions(
            namespace=namespace,
            components=validation.components_of(self.components, self.components_extra),
            registry=self.registry,
            version=validation.check_version(self.version),
            image_pull_secret=self.image_pull_secret,
            network_policy=self.network_policy,
            watch_all_namespaces=self.watch_all_namespaces,
            log_level=self.log_level,
            cluster_domain=self.cluster_domain,
            toleration_keys=self.toleration_keys,
        )

    def pull_secret(self) -> "PullSecret | None":
        from fleetloop.bootstrap.pull_secret import PullSecret

        credentials = validation.registry_credentials(self.registry_creds, self.image_pull_secret)
        return PullSecret(self.image_pull_secret, self.registry, credentials) if credentials else None
