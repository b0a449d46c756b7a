"""How a scan or a policy can fail. Reasons are Flux's: helm-notification-image.md 4.1, 4.3."""

from fleetloop.runtime.outcome import Failure, Retry


class ScanFailed(Failure):
    """Tried again with back-off."""

    reason = "ReadOperationFailed"


class AuthenticationFailed(ScanFailed):
    reason = "AuthenticationFailed"


class ImageUrlInvalid(Failure):
    reason, retry = "ImageURLInvalid", Retry.NEVER


class FeatureGateDisabled(Failure):
    reason, retry = "FeatureGateDisabled", Retry.NEVER


class InvalidPolicy(Failure):
    reason, retry = "InvalidPolicy", Retry.NEVER


class DependencyNotReady(Failure):
    """The repository is missing, or has no tags yet; its scan wakes the policy."""

    reason = "DependencyNotReady"


class AccessDenied(Failure):
    """Tried again: namespaces' labels are not watched."""

    reason = "AccessDenied"


class NoMatch(Failure):
    """No tag is as the policy wants it; the old choice stays."""

    reason = "Failure"


class SelectionFailed(Failure):
    """What reads ranges of versions did not answer: not the policy's fault, tried again."""

    reason = "Failure"


class DigestUnknown(Failure):
    reason = "Failed"
