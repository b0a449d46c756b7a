"""Which tag a policy chooses, without a registry."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from fleetloop.api.image import ImagePolicyChoice, OrderPolicy, SemVerPolicy, TagFilter
from fleetloop.controllers.image_reflector.failures import InvalidPolicy, NoMatch, ScanFailed, SelectionFailed
from fleetloop.controllers.image_reflector.image_repository import excluded
from fleetloop.controllers.image_reflector.policies import choose, filtered
from fleetloop.controllers.image_reflector.tags import TagStore, digest_of, in_order, revision_of
from fleetloop.controllers.image_reflector.wiring import ranges_by
from fleetloop.engine import Engines, EngineSettings
from fleetloop.runtime.outcome import Retry


async def first(wanted: str, versions: Sequence[str]) -> Sequence[str]:
    if wanted == "bad":
        raise ValueError("improper constraint: bad")
    return list(versions)


def alphabetical(order: str = "asc") -> ImagePolicyChoice:
    return ImagePolicyChoice(alphabetical=OrderPolicy(order=order))  # type: ignore[arg-type]


def numerical(order: str = "asc") -> ImagePolicyChoice:
    return ImagePolicyChoice(numerical=OrderPolicy(order=order))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "tags", "wanted", "chosen"),
    [
        (alphabetical(), ["b", "a", "Z"], None, "b"),
        (alphabetical("desc"), ["b", "a", "Z"], None, "Z"),
        (numerical(), ["9", "10", "1e1", "2.5"], None, "1e1"),
        (numerical("desc"), ["9", "10", "-1"], None, "-1"),
        (numerical(), ["1.e1", "0x1p4", "+.5", "5."], None, "0x1p4"),
        (numerical(), ["1", "inf"], None, "inf"),
        (numerical(), ["main-3-x", "main-12-x", "dev-99"], TagFilter(pattern=r"^main-(?P<n>\d+)", extract="$n"), "main-12-x"),
        (alphabetical(), ["v1-a", "v2-b"], TagFilter(pattern="v(.)-(.)", extract="${2}$1"), "v2-b"),
        (ImagePolicyChoice(semver=SemVerPolicy(range="1.x")), ["1.0.0"], None, "1.0.0"),
    ],
)
async def test_choices(policy: ImagePolicyChoice, tags: list[str], wanted: TagFilter | None, chosen: str) -> None:
    assert await choose(policy, tags, wanted, first) == chosen


async def test_one_odd_tag_fails_a_numerical_policy_hn18() -> None:
    """HN18: all or nothing."""
    for odd in ("latest", "1_", "1__2", "1_0", "0x10", "1e400", "-0x1p9999", "1e", ".", "٣"):
        with pytest.raises(NoMatch, match=f"failed to parse invalid numeric value '{odd}'"):
            await choose(numerical(), ["1", odd], None, first)


def test_patterns_match_anywhere_and_extracts_follow_go_hn18() -> None:
    """HN18: `$1x` names the group `1x`, which there is not; of equal extracts the last in stored order counts."""
    assert filtered(["app-1-b", "app-1-a"], TagFilter(pattern=r"-(\d)", extract="$1")) == {"1": "app-1-a"}
    assert filtered(["a-1"], TagFilter(pattern=r"-(\d)", extract="$1x")) == {"": "a-1"}
    assert filtered(["a-1"], TagFilter(pattern=r"-(\d)", extract="$$${1}x")) == {"$1x": "a-1"}
    assert filtered(["xay"], TagFilter(pattern="a")) == {"xay": "xay"}


async def test_what_cannot_work_is_terminal() -> None:
    with pytest.raises(InvalidPolicy, match=r"spec\.filterTags\.pattern: '\('"):
        await choose(alphabetical(), ["a"], TagFilter(pattern="("), first)
    with pytest.raises(InvalidPolicy, match=r"semver\.range: improper constraint"):
        await choose(ImagePolicyChoice(semver=SemVerPolicy(range="bad")), ["1.0.0"], None, first)
    with pytest.raises(NoMatch):
        await choose(alphabetical(), ["a"], TagFilter(pattern="b"), first)


async def test_a_range_that_nobody_could_read_is_tried_again(tmp_path: Path) -> None:
    """An engine that is away is not the policy's fault."""
    async with Engines(EngineSettings(bin=tmp_path)) as engines:
        with pytest.raises(SelectionFailed, match="failed to select a version: engine program") as failed:
            await choose(ImagePolicyChoice(semver=SemVerPolicy(range="1.x")), ["1.0.0"], None, ranges_by(engines))
    assert failed.value.retry is Retry.BACKOFF


def test_the_revision_is_of_the_sorted_tags_hn17() -> None:
    """HN17: the order in which a registry lists them does not matter; the number is the peer's."""
    assert in_order(["a", "b", "a"]) == ["b", "a"]
    assert revision_of(in_order(["a", "b"])) == revision_of(in_order(["b", "a"])) == str(_adler(b'["b","a"]'))
    assert revision_of(["a"]) != revision_of(["b"])
    assert digest_of(["b", "a"]) == "sha256:" + hashlib.sha256(b"b\na\n").hexdigest()  # with the gate FluxStorage


def _adler(content: bytes) -> int:
    low, high = 1, 0
    for byte in content:
        low = (low + byte) % 65521
        high = (high + low) % 65521
    return high << 16 | low


def test_exclusions() -> None:
    assert excluded(["a", "a.sig", "b"], [r"^.*\.sig$"]) == ["a", "b"]
    with pytest.raises(ScanFailed, match=r"spec\.exclusionList"):
        excluded(["a"], ["("])


async def test_a_pattern_that_would_take_for_ever_elsewhere_ends() -> None:
    """GO-2024-2792: patterns are tenants', tags may be anybody's."""
    tags = ["a" * 127 + "!", "ab"]
    assert excluded(tags, ["^(a+)+$", "(a|aa)+$"]) == tags
    assert await choose(alphabetical(), tags, TagFilter(pattern="^(a*)*b$"), first) == "ab"


def test_tags_survive_and_a_broken_file_is_no_answer(tmp_path: Path) -> None:
    store = TagStore(tmp_path / "data")
    assert store.read("r.io/a") is None
    store.write("r.io/a", ["b", "a"])
    assert store.read("r.io/a") == ["b", "a"]
    store.write("r.io/b", [])
    assert store.read("r.io/b") == []
    for file in (tmp_path / "data").iterdir():
        file.write_bytes(b"")
    assert (store.read("r.io/a"), store.read("r.io/b")) == (None, None)
