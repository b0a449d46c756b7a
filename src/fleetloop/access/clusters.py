"""The clusters that objects are applied to: this one, and those that spec.kubeConfig describes.

Of each: a client, what is known of its objects, and who applied which. Remote ones are opened at first use, shared by equal
descriptions, and closed when nobody uses them. Each keeps to itself: equal objects on two clusters never meet here.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from fleetloop.access.credential import Credential
from fleetloop.access.kubeconfigs import ClusterUnusable, Describe, Described, digest_of, shown
from fleetloop.access.reachability import PATIENCE, Reachability
from fleetloop.api.applier import KubeConfigReference
from fleetloop.api.meta import Key
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, BadConnection, Unreachable, error_of
from fleetloop.kube.live import LiveObject, Reading
from fleetloop.kube.live_within_rights import LiveWithinRights
from fleetloop.kube.managers import Takeover
from fleetloop.kube.owned import Owned
from fleetloop.task_group import TaskGroup

LOCAL = ""
MOST = 1000  # clusters open at a time
PASSES = 10
LARGEST_ANSWER = 64 << 20  # bytes that a remote server may send at once

Seen = Callable[[str, str, str, LiveObject | None, LiveObject | None], None]  # cluster, api_version, kind, old, new
Disturbed = Callable[[str, Exception], None]
Away = Callable[[], contextlib.AbstractAsyncContextManager[None]]  # meanwhile the worker is another pass's


@dataclass(frozen=True, slots=True)
class Cluster:
    """`name` is "" for this one. `kube` is the identity that the connection gives; tenants act as themselves through it."""

    name: str
    kube: Kube
    live: LiveWithinRights
    owned: Owned = field(default_factory=Owned)
    suspect: Callable[[], None] | None = None  # a remote one

    @contextlib.asynccontextmanager
    async def told(self, timeout: float, away: Away) -> AsyncIterator[None]:
        """What a remote cluster refuses, or does not answer, fails the object that wanted it, and nobody else.

        A remote one has `timeout` seconds, and holds no worker while it thinks. Raises ClusterFailed.
        """
        if self.suspect is None:
            yield
            return
        name = f"cluster {shown(self.kube.connection.server)}"
        try:
            async with away(), asyncio.timeout(timeout):
                yield
        except Unreachable as error:
            self.suspect()
            raise ClusterFailed(f"{name} is unreachable: {error}") from error
        except ApiError as error:
            raise ClusterFailed(f"{name}: {error.message}") from error
        except TimeoutError as error:
            self.suspect()
            raise ClusterFailed(f"{name} was not done within {timeout:g}s") from error


class ClusterFailed(Exception):
    """A remote cluster's fault; who describes the cluster is added on the way."""


@dataclass(eq=False, slots=True)
class _Open:
    """`busy`: passes that work with it now."""

    cluster: Cluster
    reach: Reachability
    credential: Credential | None
    held: contextlib.AsyncExitStack
    turns: asyncio.Semaphore
    users: set[Key] = field(default_factory=set)
    busy: int = 0
    unused: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A pass's."""
        self.busy += 1
        try:
            async with self.turns:
                yield
        finally:
            self.busy -= 1


class Clusters:
    """`run` holds all their watches. `wake` hears whose cluster answers again. `takeover` tells whose fields are ours, and who we
    are. `passes`: on one remote cluster at a time; more wait for their turn, without a worker."""

    def __init__(
        self,
        kube: Kube,
        describe: Describe,
        seen: Seen,
        disturbed: Disturbed,
        wake: Callable[[Key], None],
        takeover: Takeover,
        passes: int = PASSES,
    ) -> None:
        self._takeover = takeover
        self._passes = passes
        self._describe = describe
        self._seen = seen
        self._disturbed = disturbed
        self._wake = wake
        self._open: dict[str, _Open] = {}
        self._names: dict[Key, str] = {}
        self._group: TaskGroup | None = None
        self.local = Cluster(LOCAL, kube, self._live(LOCAL, kube))

    async def run(self) -> None:
        """Until cancelled."""
        async with TaskGroup() as self._group:
            self._group.create_task(self.local.live.run())

    def named(self, name: str) -> Cluster | None:
        """None for one that was closed."""
        if name == LOCAL:
            return self.local
        found = self._open.get(name)
        return found.cluster if found else None

    @contextlib.asynccontextmanager
    async def at(self, key: Key, kubeconfig: KubeConfigReference | None, account: str, away: Away) -> AsyncIterator[Cluster]:
        """The cluster that the object applies to, which answers just now; `account` is the user it acts as, "" for the
        connection's own.

        Raises ClusterUnusable: at once while the cluster is known to be away.
        """
        if kubeconfig is None:
            self.leave(key)
            yield self.local
            return
        async with contextlib.AsyncExitStack() as held:
            async with away():
                described = await self._describe(key, kubeconfig)
                opened = await self._opened(described, key, account)
                held.callback(self._close_unused, opened)
                await held.enter_async_context(opened.turn())
            try:
                async with opened.cluster.told(2 * PATIENCE, away):
                    await opened.reach.check()
                yield opened.cluster
            except ClusterFailed as failure:
                raise ClusterUnusable(f"spec.kubeConfig: {described.source}: {failure}") from failure

    def disown(self, key: Key) -> None:
        """What it applied is nobody's: a change of it is no foreign write."""
        for cluster in (self.local, self.named(self._names.get(key, LOCAL))):
            if cluster:
                cluster.live.ignore(dict.fromkeys(cluster.owned.refs(key), ()))
                cluster.owned.forget(key)

    def leave(self, key: Key) -> None:
        """It uses no remote cluster any more."""
        opened = self._open.get(self._names.pop(key, LOCAL))
        if opened:
            opened.users.discard(key)
            opened.cluster.owned.forget(key)
            self._close_unused(opened)

    async def _opened(self, described: Described, key: Key, account: str) -> _Open:
        name = digest_of(described.digest, account)
        if name not in self._open:
            opened = await self._connect(name, described, account)
            if name in self._open or self._group is None:  # another pass was faster
                await opened.held.aclose()
            else:
                self._open[name] = opened
                self._group.create_task(self._serve(opened), context=contextvars.Context())
        if self._names.get(key) != name:
            self.leave(key)
        opened = self._open[name] = self._open.pop(name)  # last in the order of use
        opened.users.add(key)
        self._names[key] = name
        self._make_room()
        return opened

    async def _connect(self, name: str, described: Described, account: str) -> _Open:
        held = contextlib.AsyncExitStack()
        try:
            access = await described.connect()
            if access.credential:
                await access.credential.ensure()
            manager = self._takeover.manager
            connection = replace(access.connection, largest_answer=LARGEST_ANSWER)
            traces = self.local.kube.traces  # requests to every cluster are counted
            kube = await held.enter_async_context(Kube(connection, manager, manager, traces))
        except BadConnection as error:
            raise ClusterUnusable(f"spec.kubeConfig: {described.source}: {error}") from error
        except ApiError as error:
            raise ClusterUnusable(f"spec.kubeConfig: {described.source}: no credential: {error.message}") from error
        acting = kube.acting_as(account) if account else kube
        reach = Reachability(lambda: _probe(acting), lambda: self._returned(name))
        cluster = Cluster(name, kube, self._live(name, acting), suspect=reach.suspect)
        return _Open(cluster, reach, access.credential, held, asyncio.Semaphore(self._passes))

    async def _serve(self, opened: _Open) -> None:
        """Its watches, until nobody uses it."""
        async with opened.held, TaskGroup() as group:
            jobs = [opened.cluster.live.run(), opened.reach.run()]
            if opened.credential:
                told: Callable[[Exception], None] = lambda error: self._disturbed("credential", error)  # noqa: E731
                jobs.append(opened.credential.run(told, (ApiError, Unreachable, BadConnection)))
            tasks = [group.create_task(job) for job in jobs]
            await opened.unused.wait()
            for task in tasks:
                task.cancel()

    def _live(self, name: str, kube: Kube) -> LiveWithinRights:
        return LiveWithinRights(
            kube,
            lambda api_version, kind, old, new: self._seen(name, api_version, kind, old, new),
            lambda _, kind, error: self._disturbed(kind, error),
            Reading(self._takeover),
        )

    def _returned(self, name: str) -> None:
        for key in tuple(self._open[name].users if name in self._open else ()):
            self._wake(key)

    def _close_unused(self, opened: _Open) -> None:
        if opened.users or opened.busy or opened.unused.is_set():
            return
        opened.unused.set()
        del self._open[opened.cluster.name]

    def _make_room(self) -> None:
        """Closes the one that was used longest ago; its next pass opens it again."""
        idle = [opened for opened in self._open.values() if not opened.busy][:-1]
        for opened in idle[: max(len(self._open) - MOST, 0)]:
            for key in opened.users:
                self._names.pop(key, None)
            opened.users.clear()
            self._close_unused(opened)


async def _probe(kube: Kube) -> None:
    """Whether it answers and knows us. What we may do there shows later. Raises Unreachable, ApiError for 401."""
    status, _ = await kube.raw("GET", "/version")
    if status == 401:
        raise error_of(status, {"kind": "Status", "reason": "Unauthorized", "message": "the credentials are not accepted"})
    if status >= 500:
        raise Unreachable(f"the server answered with status {status}")
