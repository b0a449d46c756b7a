"""What one owner may use of an engine."""

import asyncio

from fleetloop.engine.shares import Shares


async def test_an_owner_has_its_share_and_others_theirs() -> None:
    shares = Shares(share=1)
    async with shares.common("a"), shares.common("b"), shares.common(""), shares.common(""):
        try:
            async with asyncio.timeout(0.02), shares.common("a"):
                raise AssertionError("a share was given twice")
        except TimeoutError:
            pass


async def test_blame_ends() -> None:
    now = 0.0
    shares = Shares(apart=10.0, now=lambda: now)
    shares.blame("a")
    shares.blame("")
    assert (shares.is_apart("a"), shares.is_apart("b"), shares.is_apart("")) == (True, False, False)
    now = 11.0
    assert not shares.is_apart("a")
