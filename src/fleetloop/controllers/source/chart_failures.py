"""How building a chart can fail. Flux: source-kustomize.md 6.4."""

from fleetloop.api import reasons
from fleetloop.controllers.source.failures import SourceFailure
from fleetloop.runtime.outcome import Retry


class BuildFailed(SourceFailure):
    condition = reasons.BUILD_FAILED


class BuildRefused(BuildFailed):
    """Only a change of the object or its source can help: Stalled."""

    retry = Retry.NEVER
