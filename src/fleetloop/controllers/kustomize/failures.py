"""How a Kustomization's pass can fail. Reasons are Flux's: source-kustomize.md 8.2."""

from fleetloop.api.durations import duration_text
from fleetloop.runtime.outcome import Failure, Retry


class SourceMissing(Failure):
    """The source does not exist; its appearing wakes the object."""

    reason, severity = "ArtifactFailed", None


class ArtifactMissing(Failure):
    """The source has no artifact yet, or the artifact cannot be had."""

    reason, severity = "ArtifactFailed", None


class ArtifactFailed(Failure):
    reason = "ArtifactFailed"


class ArtifactUnreachable(Failure):
    """The artifact server is away, as it is while it restarts: tried again soon, then more rarely."""

    reason = "ArtifactFailed"


class AccessDenied(Failure):
    reason, retry = "AccessDenied", Retry.NEVER


class BadAccount(Failure):
    reason, retry = "ReconciliationFailed", Retry.NEVER


class FeatureGateDisabled(Failure):
    reason, retry = "FeatureGateDisabled", Retry.NEVER


class DependencyNotReady(Failure):
    reason, severity = "DependencyNotReady", None


class BuildFailed(Failure):
    reason = "BuildFailed"


class ReconciliationFailed(Failure):
    reason = "ReconciliationFailed"


class PruneFailed(Failure):
    reason = "PruneFailed"


class Terminating(Failure):
    """Objects of a deleted Kustomization are on their way out."""

    reason, severity = "PruneFailed", None

    def __init__(self, message: str) -> None:
        super().__init__(message, after=2.0)


class HealthCheckFailed(Failure):
    """`detail` is what the Healthy condition says."""

    reason = "HealthCheckFailed"

    def __init__(self, detail: str, seconds: float) -> None:
        super().__init__(f"health check failed after {duration_text(seconds)}: {detail}")
        self.detail = detail
