"""When a sync object counts as ready, when not yet, and when never."""

from typing import Any

import pytest

from fleetloop.bootstrap.waits import Expected, NeverReady, ReadyJudge, artifact_revision, git_repository
from fleetloop.kube import Manifest

OURS = "main@sha1:" + "a" * 40
LATER = "main@sha1:" + "b" * 40
FOREIGN = "main@sha1:" + "c" * 40


async def _follows(sha: str) -> bool:
    return sha == "b" * 40


def judge() -> ReadyJudge:
    return ReadyJudge(git_repository("flux-system"), Expected(OURS, _follows), artifact_revision)


def repository(revision: str = OURS, *, observed: int = 1, suspend: bool = False, **conditions: tuple[str, str]) -> Manifest:
    status: dict[str, Any] = {"observedGeneration": observed, "artifact": {"revision": revision}}
    status["conditions"] = [{"type": kind, "status": value, "message": text} for kind, (value, text) in conditions.items()]
    return {"metadata": {"generation": 1}, "spec": {"suspend": suspend}, "status": status}


async def test_ready_with_our_revision() -> None:
    assert await judge()(repository(Ready=("True", ""))) == OURS


async def test_bs36_a_later_commit_that_holds_ours_counts_too() -> None:
    """BS36: a later commit that holds ours counts too."""
    assert await judge()(repository(LATER, Ready=("True", ""))) == LATER
    assert await judge()(repository(FOREIGN, Ready=("True", ""))) is None


async def test_bs34_not_ready_is_remembered_and_no_reason_to_give_up() -> None:
    """BS34: a failure of this generation may be over in a second, for instance when the Secret is seen."""
    asked = judge()
    assert await asked(repository(Ready=("False", "secrets not found"))) is None
    assert asked.complaint == "gitrepository 'flux-system/flux-system' not ready: 'secrets not found'"
    assert await asked(repository(Ready=("True", ""))) == OURS


async def test_a_complaint_is_forgotten_when_only_the_revision_is_old() -> None:
    asked = judge()
    await asked(repository(Ready=("False", "auth")))
    await asked(repository(FOREIGN, Ready=("True", "")))
    assert asked.complaint == ""


@pytest.mark.parametrize(
    ("live", "message"),
    [
        (None, 'GitRepository "flux-system/flux-system" not found'),
        (repository(suspend=True), "GitRepository 'flux-system/flux-system' is suspended"),
        (
            repository(Stalled=("True", "bad url"), Ready=("False", "bad url")),
            "gitrepository 'flux-system/flux-system' not ready: 'bad url'",
        ),
    ],
)
async def test_what_never_becomes_ready(live: Manifest | None, message: str) -> None:
    with pytest.raises(NeverReady) as never:
        await judge()(live)
    assert str(never.value) == message


async def test_what_is_not_judged_yet() -> None:
    assert await judge()(repository(observed=0, Ready=("True", ""))) is None
    assert await judge()(repository()) is None
