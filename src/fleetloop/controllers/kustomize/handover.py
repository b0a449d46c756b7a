"""Who else wants an object that a Kustomization no longer builds: then it is left for them instead of deleted and created again.

Objects move between Kustomizations, and Kustomizations are renamed, within one commit. Who of them runs first is chance; so
before anything is deleted, those that have not applied the commit yet are built to see what they will take. Builds are shared and
kept, so mostly this makes them a little earlier. A Kustomization that the commit itself brings, through another, is built too.
Flux: source-kustomize.md SK28, where such an object is deleted when its old owner comes first.
"""

import asyncio
import datetime
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec
import orjson

from fleetloop.api import names
from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Key
from fleetloop.api.old_versions import upgraded
from fleetloop.build import BuildError
from fleetloop.controllers.kustomize.inventories import inventory_of
from fleetloop.controllers.kustomize.pass_facts import timeout_of
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.controllers.kustomize.sources import Source, Sources, find_source, source_key
from fleetloop.controllers.kustomize.tree import Build, TreeOf
from fleetloop.kube.errors import ApiError
from fleetloop.kube.inventory import id_of
from fleetloop.kube.objects import Identity, Manifest, ObjectRef, ref_of
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.outcome import Failure

TAKES_OVER = "kustomize.fleetloop.dev/takes-over"  # on the new Kustomization: the name of the old one, in the same namespace
GRACE = datetime.timedelta(minutes=10)  # from a commit's arrival: so long one that cannot be built holds up the others
RETRY = 15.0  # seconds
REMEMBERED = 2000  # builds
TURN = 64  # Kustomizations, after which others on the loop have theirs


class Undecided(Failure):
    """Whether the objects will be taken over cannot be known just now."""

    reason, severity = "PruneFailed", "Normal"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a Kustomization will apply: objects, and Kustomizations among them. `problem`: why that cannot be known; by the loop's
    clock it is asked again after `until`."""

    objects: frozenset[Identity] = frozenset()
    children: tuple[Kustomization, ...] = ()
    problem: str = ""
    until: float = math.inf


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nobody knows whether `key` wants an object."""

    key: Key
    words: str

    def __str__(self) -> str:
        return self.words


class Handover:
    """`everybody` gives all Kustomizations as last seen."""

    def __init__(
        self,
        everybody: Callable[[], Iterable[Kustomization]],
        sources: Sources,
        settings: KustomizeSettings,
        tree_of: TreeOf,
        build: Build,
    ) -> None:
        self._everybody = everybody
        self._sources = sources
        self._settings = settings
        self._tree_of = tree_of
        self._build = build
        self._wanted: OrderedDict[str, Wanted] = OrderedDict()
        self._waiting: dict[Key, frozenset[Key]] = {}

    def forget(self, key: Key) -> None:
        self._waiting.pop(key, None)

    def waiting_for(self, key: Key) -> list[Key]:
        """Who left objects for this one."""
        return [waiting for waiting, others in self._waiting.items() if key in others]

    async def claims(self, ks: Kustomization, refs: Sequence[ObjectRef]) -> dict[ObjectRef, str]:
        """Those of `refs`, objects of `ks`, that it must not delete, each with the reason."""
        found, problem = await self._ask(ks, refs)
        claims = {ref: f"{key} takes it over" for ref, key in found.items()}
        return claims if not problem else {ref: claims.get(ref, str(problem)) for ref in refs}

    async def heirs(self, ks: Kustomization, refs: Sequence[ObjectRef]) -> dict[ObjectRef, str]:
        """The same when `ks` itself goes. Raises Undecided: it cannot come back to it later."""
        found, problem = await self._ask(ks, refs)
        if problem:
            raise Undecided(str(problem), after=RETRY)
        return {ref: f"{key} takes it over" for ref, key in found.items()}

    async def _ask(self, ks: Kustomization, refs: Sequence[ObjectRef]) -> tuple[dict[ObjectRef, Key], Problem | None]:
        found: dict[ObjectRef, Key] = {}
        going = {ref.identity for ref in refs}  # a parent's own children among them
        others = [
            other
            for other in self._everybody()
            if other.key != ks.key and _is_rival(other, ks) and self._has_a_say(other, ks) and _identity(other) not in going
        ]
        for other in others:
            is_named = other.metadata.annotations.get(TAKES_OVER) == ks.name and other.namespace == ks.namespace
            if is_named and not _has_applied(other):
                found |= dict.fromkeys(refs, other.key)
        by_id = {id_of(ref): ref for ref in refs}
        for other in others:
            if _has_applied(other, self._revision_of(other) if _same_source(other, ks) else None):
                found |= {by_id[id]: other.key for id in _inventory_ids(other) if id in by_id}
        behind = [o for o in others if _same_source(o, ks) and not _has_applied(o, self._revision_of(o))]
        try:
            async with asyncio.timeout(timeout_of(ks)):
                problem = await self._ask_builds(ks, behind, refs, found)
        except TimeoutError:
            problem = Problem(ks.key, f"who takes it over could not be found out within {timeout_of(ks):g}s")
        if len(found) == len(refs):
            problem = None
        self._waiting[ks.key] = frozenset([*found.values(), *([problem.key] if problem else ())])
        return found, problem

    def _has_a_say(self, other: Kustomization, ks: Kustomization) -> bool:
        """Annotations and statuses are its tenant's word, which must not keep alive what another one's commit revoked."""
        return other.namespace == ks.namespace or (_same_source(other, ks) and not self._settings.common.no_cross_namespace_refs)

    async def _ask_builds(
        self, ks: Kustomization, behind: Sequence[Kustomization], refs: Sequence[ObjectRef], found: dict[ObjectRef, Key]
    ) -> Problem | None:
        """Adds to `found`. The answer is the first Kustomization that cannot be built."""
        queue, seen = list(behind), {ks.key: ks.spec} | {o.key: o.spec for o in self._everybody()}
        problem: Problem | None = None
        for number, other in enumerate(queue):
            if len(found) == len(refs):
                break
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
            wanted = await self._wanted_by(other)
            if wanted.problem:
                problem = problem or Problem(other.key, f"{other.key} may take it over and cannot be built: {wanted.problem}")
            found |= {ref: other.key for ref in refs if ref.identity in wanted.objects and ref not in found}
            for child in wanted.children:
                if child.spec != seen.get(child.key) and _same_source(child, ks) and _is_rival(child, ks):
                    seen[child.key] = child.spec
                    queue.append(child)
        return problem

    async def _wanted_by(self, ks: Kustomization) -> Wanted:
        try:
            source = find_source(ks, self._sources, self._settings)
        except Failure:  # what it has is all that it can want
            return Wanted(frozenset(ref.identity for ref in inventory_of(ks.status)))
        token = f"{ks.key} {source.artifact.digest} {_version_of(ks)}"
        wanted = self._wanted.get(token)
        if wanted is None or wanted.until < asyncio.get_running_loop().time():
            wanted = self._wanted[token] = await self._built(ks, source)
            if len(self._wanted) > REMEMBERED:
                self._wanted.popitem(last=False)
        return wanted if _is_recent(ks, source) else replace(wanted, problem="")

    async def _built(self, ks: Kustomization, source: Source) -> Wanted:
        try:
            async with self._tree_of(source, self._settings.requeue_dependency) as tree:
                objects = (await self._build(tree, source, ks, timeout_of(ks))).objects
        except (BuildError, Failure, ApiError) as error:
            return Wanted(problem=str(error), until=asyncio.get_running_loop().time() + RETRY)
        children = tuple(child for manifest in objects if (child := _kustomization_in(manifest)))
        return Wanted(frozenset(ref_of(manifest).identity for manifest in objects), children)

    def _revision_of(self, ks: Kustomization) -> str:
        try:
            return find_source(ks, self._sources, self._settings).revision
        except Failure:
            return ""


def _version_of(ks: Kustomization) -> str:
    """One that is only planned has no generation yet."""
    if ks.metadata.uid:
        return f"{ks.metadata.uid} {ks.metadata.generation}"
    return orjson.dumps(msgspec.to_builtins(ks.spec), option=orjson.OPT_SORT_KEYS).decode()


def _identity(ks: Kustomization) -> Identity:
    return (names.KUSTOMIZE_GROUP, "Kustomization", ks.namespace, ks.name)


def _is_rival(other: Kustomization, ks: Kustomization) -> bool:
    """Applies to the same cluster, and stays."""
    if other.metadata.deletion_timestamp:
        return False
    same_namespace = other.namespace == ks.namespace or ks.spec.kube_config is None
    return other.spec.kube_config == ks.spec.kube_config and same_namespace


def _inventory_ids(ks: Kustomization) -> list[str]:
    return [entry.id for entry in ks.status.inventory.entries] if ks.status.inventory else []


def _same_source(one: Kustomization, other: Kustomization) -> bool:
    return source_key(one) == source_key(other)


def _has_applied(ks: Kustomization, revision: str | None = None) -> bool:
    """This generation of it, at `revision` if one is given: then its inventory tells what it wants."""
    status = ks.status
    current = status.observed_generation == ks.metadata.generation and bool(status.last_applied_revision)
    return current and revision in {None, status.last_applied_revision}


def _is_recent(ks: Kustomization, source: Source) -> bool:
    """Whether its trouble may belong to the commit at hand; nobody is held up for ever."""
    since = max(filter(None, (source.artifact.last_update_time, ks.metadata.creation_timestamp)))
    return utc_now() - since < GRACE


def _kustomization_in(manifest: Manifest) -> Kustomization | None:
    ref = ref_of(manifest)
    if (ref.group, ref.kind) != (names.KUSTOMIZE_GROUP, "Kustomization"):
        return None
    try:
        return decoded(Kustomization, upgraded(manifest))
    except ValueError:
        return None  # its apply will say so
