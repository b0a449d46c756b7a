"""How an update can fail. Reasons are Flux's: helm-notification-image.md 5.6."""

from fleetloop.api import reasons
from fleetloop.runtime.outcome import Failure, Retry


class SourceManagerFailed(Failure):
    """What is needed to reach the repository is not there; tried again."""

    reason = "SourceManagerFailed"


class GitOperationFailed(Failure):
    """Tried again: from the start, on what the repository is then."""

    reason = reasons.GIT_OPERATION_FAILED


class UpdateFailed(Failure):
    reason = "UpdateFailed"


class Refused(Failure):
    """Only a change of the object can help."""

    retry = Retry.NEVER


class AccessDenied(Refused):
    reason = reasons.ACCESS_DENIED


class InvalidSourceConfiguration(Refused):
    reason = "InvalidSourceConfiguration"


class FeatureGateDisabled(Refused):
    reason = reasons.FEATURE_GATE_DISABLED


class InvalidPolicySelector(Refused):
    reason = "InvalidPolicySelector"
