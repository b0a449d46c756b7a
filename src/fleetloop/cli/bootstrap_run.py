"""Puts a bootstrap together: cluster, forge, engine and hands, real ones or a rehearsal's."""

import contextlib
import dataclasses
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fleetloop.bootstrap.hands import Hands, RealHands, RehearsedHands, RehearsedHttp
from fleetloop.bootstrap.plan import Plan
from fleetloop.bootstrap.run import bootstrap, confirm
from fleetloop.bootstrap.tools import Tools
from fleetloop.build import BuildRequest, build_objects
from fleetloop.cli.engines import engines_of
from fleetloop.cli.questions import asking
from fleetloop.engine import Engines
from fleetloop.forge import Forge, ForgeHttp, Http
from fleetloop.git import Git, SshAlgorithms
from fleetloop.kube import Manifest

if TYPE_CHECKING:
    from fleetloop.bootstrap.waits import Expected
    from fleetloop.cli.bootstrap import BootstrapOptions
    from fleetloop.cli.context import Context


@dataclass(frozen=True, slots=True)
class ForgeAccess:
    """How to reach a forge: its API's address, ending in "/", and the header that holds the token.

    `speak`: the forge's client, over that HTTP.
    """

    api: str
    authorization: str = field(repr=False)
    speak: Callable[[Http], Forge]
    ca: bytes = b""
    header: str = "Authorization"

    def connected(self) -> AbstractAsyncContextManager[ForgeHttp]:
        return ForgeHttp.open(self.api, self.authorization, self.ca, header=self.header)


async def run_bootstrap(
    plan: Plan, cx: "Context", access: ForgeAccess | None, common: "BootstrapOptions", *, silent: bool = False
) -> None:
    if common.dry_run:
        cx.say.warning(" dry run: nothing is changed")
    git = Git.inheriting(cx.environment)
    if common.ssh_hostkey_algos:
        git = _with_algorithms(git, common.ssh_hostkey_algos)
    async with (
        cx.kube() as kube,
        engines_of(cx) as engines,
        _forge(cx, access, common) as forge,
    ):
        hands: Hands = RehearsedHands(cx.print) if common.dry_run else RealHands(kube)
        wait = _no_wait if common.dry_run else functools.partial(confirm, kube, plan, cx.say)
        ask = _yes if common.dry_run else asking(cx)
        has_access = _yes if silent else ask
        await bootstrap(plan, Tools(kube, hands, git, functools.partial(_build, engines), cx.say, ask, has_access, wait, forge))


async def _build(engines: Engines, tree: Path, directory: str) -> list[Manifest]:
    return await build_objects(tree, BuildRequest(path=directory), engines)


@contextlib.asynccontextmanager
async def _forge(cx: "Context", access: ForgeAccess | None, common: "BootstrapOptions") -> AsyncIterator[Forge | None]:
    if access is None:
        yield None
        return
    async with access.connected() as http:
        yield access.speak(RehearsedHttp(http, access.api, cx.print) if common.dry_run else http)


def _with_algorithms(git: Git, algorithms: tuple[str, ...]) -> Git:
    return dataclasses.replace(git, ssh=SshAlgorithms(host_key=",".join(algorithms)))


async def _yes(question: str) -> bool:
    return True


async def _no_wait(expected: "Expected", deadline: float) -> None:
    """A rehearsal has brought nothing about that could become ready."""
