"""How much is done: little in CI, all of it with FLEETLOOP_FAULTS=full."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """`kills` of each victim; `reconciliations` at least, in the tests that kill controllers."""

    full: bool
    seed: int
    apps: int
    revisions: int
    kills: int
    reconciliations: int


def size_of(word: str, seed: int) -> Size:
    if word == "full":
        return Size(full=True, seed=seed, apps=40, revisions=8, kills=50, reconciliations=200)
    return Size(full=False, seed=seed, apps=11, revisions=5, kills=5, reconciliations=33)
