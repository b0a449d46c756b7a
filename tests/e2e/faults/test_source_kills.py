"""source-controller killed with -9 at random moments, with its store kept or lost: the same end state."""

from pathlib import Path

import pytest

from tests.e2e.faults.campaign import kill_and_compare, settled
from tests.e2e.faults.size import Size


@pytest.mark.parametrize("keeping", [True, False], ids=["store kept", "store lost"])
async def test_source_controller_killed(tmp_path: Path, size: Size, keeping: bool) -> None:
    async with settled(tmp_path, size, sources=8) as (place, fleet):
        await kill_and_compare(place, fleet, size, "GitRepository", 6, lambda: place.restart_source(keeping=keeping))
