"""What is installed in a cluster already, by whom, read off the labels of one CRD (bootstrap.md 2.1)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fleetloop.bootstrap.errors import BootstrapError, Cancelled
from fleetloop.bootstrap.say import Say
from fleetloop.kube import ApiError, Kube, ObjectRef, Unreachable, labels_of

GIT_REPOSITORY_CRD = "gitrepositories.source.toolkit.fluxcd.io"
CRD_API = "apiextensions.k8s.io/v1"
PART_OF = "app.kubernetes.io/part-of"
SELECTOR = f"{PART_OF}=flux"
_BOOTSTRAPPED = "kustomize.toolkit.fluxcd.io/namespace"


Ask = Callable[[str], Awaitable[bool]]
"""A yes or no question to whoever runs the command. Without anybody to answer it is no."""


@dataclass(frozen=True, slots=True)
class Installed:
    """An installation's own account of itself; any part may be empty."""

    version: str
    part_of: str
    managed_by: str
    is_bootstrapped: bool

    @property
    def distribution(self) -> str:
        """`flux-v2.9.4`; "" when both labels are absent."""
        return f"{self.part_of}-{self.version}" if self.part_of or self.version else ""

    @property
    def has_other_manager(self) -> bool:
        return self.managed_by not in ("", "flux")


async def find_installed(kube: Kube) -> Installed | None:
    """None when the CRD is not there. Raises BootstrapError when that cannot be told."""
    try:
        crd = await kube.find(ObjectRef(CRD_API, "CustomResourceDefinition", "", GIT_REPOSITORY_CRD))
    except (ApiError, Unreachable) as error:
        raise BootstrapError(f"cluster info unavailable: {error}") from error
    if crd is None:
        return None
    labels = labels_of(crd)
    return Installed(
        version=labels.get("app.kubernetes.io/version", ""),
        part_of=labels.get(PART_OF, ""),
        managed_by=labels.get("app.kubernetes.io/managed-by", ""),
        is_bootstrapped=_BOOTSTRAPPED in labels,  # ⚠ 5: of the two labels an inventory sets, this one decides
    )


async def confirm_override(installed: Installed | None, what: str, say: Say, ask: Ask) -> None:
    """Asks before an installation that another tool manages is taken over. `what`: bootstrap or installation."""
    if installed is None or not installed.has_other_manager:
        return
    say.warning(f"Flux {installed.version} has been installed on this cluster with {installed.managed_by}!")
    if not await ask(f"Are you sure you want to override the {installed.managed_by} installation? Y/N"):
        raise Cancelled(f"{what} cancelled")
