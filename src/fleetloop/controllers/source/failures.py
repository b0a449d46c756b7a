"""How a source's pass can fail. Each names the condition that tells of it; Ready is computed from those (`summary`).

Flux: source-kustomize.md 1.1, the error classes Generic, Waiting and Stalling.
"""

from fleetloop.api import reasons
from fleetloop.runtime.outcome import Failure, Retry


class SourceFailure(Failure):
    """Tried again with back-off. `condition`: the fact it leaves behind, "" for none."""

    condition = ""

    def __init__(self, reason: str, message: str, *, after: float | None = None) -> None:
        super().__init__(message, after=after)
        self.reason = reason


class Refused(SourceFailure):
    """Only a change of the object can help: Stalled, which alone tells of it."""

    retry = Retry.NEVER


class FetchFailed(SourceFailure):
    condition = reasons.FETCH_FAILED


class FetchRefused(FetchFailed):
    """Only a change of the object can help: Stalled."""

    retry = Retry.NEVER


class StorageOperationFailed(SourceFailure):
    condition = reasons.STORAGE_OPERATION_FAILED


class IncludeUnavailable(SourceFailure):
    """Waiting for another source, looked at again after `after` seconds."""

    condition = reasons.INCLUDE_UNAVAILABLE
    severity = "Trace"


class VerificationFailed(SourceFailure):
    """Leaves SourceVerified False."""

    condition = reasons.SOURCE_VERIFIED


class VerificationRefused(VerificationFailed):
    """Only a change of the object can help: Stalled."""

    retry = Retry.NEVER
