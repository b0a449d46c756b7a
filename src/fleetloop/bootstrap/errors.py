"""What ends a bootstrap, one class per thing a caller can do about it. The texts are the contract's."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class BootstrapError(Exception):
    """Any refusal or failure of bootstrap, install, uninstall or check."""


class InvalidPlan(BootstrapError):
    """The flags cannot work together, or one of them cannot work at all. Nothing has been read or changed."""


class Cancelled(BootstrapError):
    """Somebody was asked and did not say yes."""


class PreflightFailed(BootstrapError):
    """Something is missing that a later step needs. Nothing has been changed; each problem names one thing."""

    def __init__(self, problems: Sequence[str]) -> None:
        lines = "".join(f"\n- {problem}" for problem in problems)
        super().__init__(f"preflight failed, nothing has been changed:{lines}")
        self.problems = tuple(problems)


class StepFailed(BootstrapError):
    """A step did not come to its end. The same command may be run again: it continues."""


class ReconciledWithWarning(BootstrapError):
    """Everything was done, but not every team could be given its access (⚠ 11)."""

    def __init__(self) -> None:
        super().__init__("failed to grant permissions to team: reconciled with warning")


class HealthCheckFailed(BootstrapError):
    """What was applied did not become ready."""

    def __init__(self, failures: Sequence[str]) -> None:
        told = failures[0] if len(failures) == 1 else f"[{', '.join(failures)}]"
        super().__init__(f"bootstrap failed with {len(failures)} health check failure(s): {told}")


@contextmanager
def failing_as(doing: str, *errors: type[Exception]) -> Iterator[None]:
    """Any of `errors` becomes StepFailed `<doing>: <text>`, the contract's wrapper of a step."""
    try:
        yield
    except errors as error:
        raise StepFailed(f"{doing}: {error}") from error
