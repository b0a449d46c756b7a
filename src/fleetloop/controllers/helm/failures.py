"""How a HelmRelease's pass can fail. Reasons are Flux's: helm-notification-image.md 2.5, 2.15."""

from fleetloop.runtime.outcome import Failure, Retry


class DependencyNotReady(Failure):
    reason, severity = "DependencyNotReady", "Normal"


class BadExpression(Failure):
    reason, retry = "InvalidCELExpression", Retry.NEVER

    def __init__(self, message: str) -> None:
        super().__init__(f"Reconciliation failed terminally due to configuration error: {message}")


class AccessDenied(Failure):
    reason, retry = "AccessDenied", Retry.NEVER


class SourceMissing(Failure):
    reason, severity = "ArtifactFailed", None


class SourceNotReady(Failure):
    reason, severity = "SourceNotReady", None


class ArtifactFailed(Failure):
    reason = "ArtifactFailed"


class ValuesError(Failure):
    reason = "ValuesError"


class ChartMutateError(Failure):
    reason = "ChartMutateError"


class ConnectionFailed(Failure):
    """The cluster cannot be reached as who the release wants to act as."""

    reason = "RESTClientError"


class StateError(Failure):
    reason = "StateError"


class ActionFailed(Failure):
    """An action that wrote nothing to Helm's storage: tried again with back-off (HN7)."""

    severity = None  # the action told of itself

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RetriesExceeded(Failure):
    reason, retry, severity = "RetriesExceeded", Retry.NEVER, "Warning"


class NoRollbackTarget(Failure):
    reason, retry, severity = "MissingRollbackTarget", Retry.NEVER, "Warning"


class RetryLater(Failure):
    """A failed action is tried again as it is, at a set time (HN8)."""

    reason, severity = "Progressing", None
