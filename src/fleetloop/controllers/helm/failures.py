"""How a HelmRelease's pass can fail. Reasons are Flux's: helm-notification-image.md 2.5, 2.15."""

from fleetloop.runtime.outcome import Failure, Retry


class DependencyNotReady(Failure):
    reason, severity = "DependencyNotReady", "Normal"


class AccessDenied(Failure):
    reason, retry = "AccessDenied", Retry.NEVER


class SourceMissing(Failure):
    reason, severity = "ArtifactFailed", None


class SourceNotReady(Failure):
    reason, severity, is_jittered = "SourceNotReady", None, True


class ArtifactMissing(Failure):
    """The source tells of an artifact that is not there: it is about to be another one."""

    reason, severity = "ArtifactFailed", None


class ArtifactFailed(Failure):
    reason = "ArtifactFailed"


class ValuesError(Failure):
    reason = "ValuesError"


class ChartMutateError(Failure):
    reason, severity = "ChartMutateError", None


class ConnectionFailed(Failure):
    """The cluster cannot be reached as who the release wants to act as."""

    reason, severity = "RESTClientError", None


class DescriptionMissing(ConnectionFailed):
    """The Secret or ConfigMap of spec.kubeConfig is not there."""


class StateError(Failure):
    reason, severity = "StateError", None


class Told(Failure):
    """Of what an action left in the conditions already, and told people: Ready follows from those. `message` is for Stalled,
    Reconciling and the log."""

    severity = None


class ActionFailed(Told):
    """An action that wrote nothing to Helm's storage: tried again with back-off (HN7)."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class MoreToDo(Told):
    """The next pass goes on where this one ended, at once."""

    reason = "Progressing"


class Superseded(Told):
    """A wait was given up for something newer, which the next pass brings."""

    reason = "HealthCheckCanceled"


class RetryLater(Told):
    """A failed action is tried again as it is, at a set time (HN8)."""

    reason, is_jittered = "Progressing", True


class RetriesExceeded(Told):
    reason, retry = "RetriesExceeded", Retry.NEVER


class NoRollbackTarget(Told):
    reason, retry = "MissingRollbackTarget", Retry.NEVER
