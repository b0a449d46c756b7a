"""What the steps work with: one value, put together by the command line, or by a test."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fleetloop.bootstrap.hands import Hands
from fleetloop.bootstrap.installed import Ask
from fleetloop.bootstrap.overlay import Build
from fleetloop.bootstrap.say import Say
from fleetloop.bootstrap.waits import Expected
from fleetloop.forge import Forge
from fleetloop.git import Git
from fleetloop.kube import Kube


@dataclass(frozen=True, slots=True)
class Tools:
    """`ask_access`: whether a new key was given its access. `confirm`: waits until the cluster has followed, to a deadline on
    the loop's clock. A rehearsal waits for nothing."""

    kube: Kube
    hands: Hands
    git: Git
    build: Build
    say: Say
    ask: Ask
    ask_access: Ask
    confirm: Callable[[Expected, float], Awaitable[None]]
    forge: Forge | None = None
