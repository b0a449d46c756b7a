"""What is checked out, and where commits go. Pure. Flux: helm-notification-image.md 5.2."""

from dataclasses import dataclass

from fleetloop import git
from fleetloop.api.image import ImageUpdateAutomation
from fleetloop.api.source import GitReference, GitRepository
from fleetloop.controllers.image_automation.failures import InvalidSourceConfiguration, SourceManagerFailed


@dataclass(frozen=True, slots=True)
class Branches:
    """`checkout`: where updates start from. `switches`: commits go to another branch than that (HN19)."""

    checkout: GitReference
    push: git.Reference
    refspec: str
    switches: bool


def branches_of(automation: ImageUpdateAutomation, source: GitRepository) -> Branches:
    """Raises InvalidSourceConfiguration, SourceManagerFailed."""
    spec = automation.spec.git
    if spec is None:
        raise InvalidSourceConfiguration("invalid source configuration: spec.git is required")
    found = spec.checkout.ref if spec.checkout else source.spec.ref
    checkout = found or GitReference(branch="master")
    push = spec.push.branch if spec.push else ""
    if not push and not (found and found.branch):
        raise SourceManagerFailed(
            "spec.git.push.branch is not set, and neither spec.git.checkout.ref nor the GitRepository's spec.ref names a branch"
        )
    refspec = spec.push.refspec if spec.push else ""
    try:
        reference = git.branch(push or checkout.branch)
    except git.InvalidReference as error:
        raise SourceManagerFailed(f"spec.git.push.branch: {error}") from error
    return Branches(checkout, reference, refspec, bool(push) and push != checkout.branch)
