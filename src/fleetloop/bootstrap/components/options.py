"""What a user chooses about an installation. Values arrive checked (bootstrap.validation)."""

from dataclasses import dataclass

from fleetloop import __version__
from fleetloop.api import names

DEFAULT_COMPONENTS = (
    names.SOURCE_CONTROLLER,
    names.KUSTOMIZE_CONTROLLER,
    names.HELM_CONTROLLER,
    names.NOTIFICATION_CONTROLLER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions:
    """`components` in the order of their documents; a name given twice counts once (⚠ BS4: the peer's build fails).

    `version` has its `v` and is the tag of the images. An empty `registry` leaves the images without one.
    """

    namespace: str = names.DEFAULT_NAMESPACE
    components: tuple[str, ...] = DEFAULT_COMPONENTS
    registry: str = "ghcr.io/fleetloop"
    version: str = f"v{__version__}"
    image_pull_secret: str = ""
    network_policy: bool = True
    watch_all_namespaces: bool = True
    log_level: str = "info"
    cluster_domain: str = "cluster.local"
    toleration_keys: tuple[str, ...] = ()
