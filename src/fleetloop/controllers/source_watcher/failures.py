"""How composing can fail. Reasons are Flux's: source-kustomize.md 7.3."""

from fleetloop.runtime.outcome import Failure, Retry


class SourceFetchFailed(Failure):
    reason = "SourceFetchFailed"


class BuildFailed(Failure):
    reason = "BuildFailed"


class PatternRefused(Failure):
    reason, retry = "BuildFailed", Retry.NEVER


class ReconciliationFailed(Failure):
    reason = "ReconciliationFailed"


class AccessDenied(Failure):
    reason, retry = "AccessDenied", Retry.NEVER


class ValidationFailed(Failure):
    reason, retry = "ValidationFailed", Retry.NEVER
