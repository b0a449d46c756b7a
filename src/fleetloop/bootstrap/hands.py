"""Everything a bootstrap changes in the cluster or pushes to Git goes through here; what it reads does not.

Two pairs of hands: the real ones, and a rehearsal that says what it would do (--dry-run). What is changed at the forge
goes through the forge's own HTTP, which has the same two faces (`forge.http.Http`).
"""

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import unquote

from fleetloop.bootstrap.plan import CommitStyle
from fleetloop.bootstrap.say import Tell
from fleetloop.bootstrap.work import WorkTree
from fleetloop.forge import Answer, Http
from fleetloop.kube import AlreadyExists, Kube, Manifest, ObjectRef, ref_of
from fleetloop.kube.apply import ApplySettings, ChangeSet, apply_in_stages, until_current
from fleetloop.kube.stages import stages_of

FIELD_MANAGER = "flux"
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"


class Hands(Protocol):
    """Each method may be repeated."""

    async def apply(self, objects: Sequence[Manifest]) -> ChangeSet:
        """Server-side apply in stages, conflicts forced, nothing pruned. Raises kube.apply.ApplyFailed."""
        ...

    async def write_secret(self, secret: Manifest, replaced: Collection[str]) -> None:
        """Creates the Secret, or sets its data; keys among `replaced` that it no longer has are removed. One without a type
        leaves that of an existing Secret as it is, which nobody could change."""
        ...

    async def request(self, ref: ObjectRef) -> None:
        """Asks the controller to reconcile the object now."""
        ...

    async def commit(self, work: WorkTree, files: Mapping[str, str], message: str, style: CommitStyle) -> str | None:
        """In the clone only. None when there is nothing to commit."""
        ...

    async def push(self, work: WorkTree) -> None: ...


class RealHands:
    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def apply(self, objects: Sequence[Manifest]) -> ChangeSet:
        return await apply_in_stages(self._kube, objects, ApplySettings(FIELD_MANAGER), until_current)

    async def write_secret(self, secret: Manifest, replaced: Collection[str]) -> None:
        try:
            await self._kube.create(secret)
        except AlreadyExists:
            gone: dict[str, Any] = {key: None for key in replaced if key not in secret["data"]}
            await self._kube.patch(ref_of(secret), secret | {"data": gone | secret["data"]})

    async def request(self, ref: ObjectRef) -> None:
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        await self._kube.patch(ref, {"metadata": {"annotations": {REQUESTED_AT: at}}})

    async def commit(self, work: WorkTree, files: Mapping[str, str], message: str, style: CommitStyle) -> str | None:
        return await work.commit(files, message, style)

    async def push(self, work: WorkTree) -> None:
        await work.push()


class RehearsedHands:
    """Says each change and makes none."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    async def apply(self, objects: Sequence[Manifest]) -> ChangeSet:
        for stage in stages_of(objects):
            for manifest in stage:
                self._tell(f"apply {ref_of(manifest)}")
        return ChangeSet()

    async def write_secret(self, secret: Manifest, replaced: Collection[str]) -> None:
        self._tell(f"write {ref_of(secret)} with the keys {', '.join(sorted(secret['data']))}")

    async def request(self, ref: ObjectRef) -> None:
        self._tell(f"annotate {ref} with {REQUESTED_AT}")

    async def commit(self, work: WorkTree, files: Mapping[str, str], message: str, style: CommitStyle) -> str | None:
        for name, content in files.items():
            self._tell(_difference(name, work.read(name), content))
        made = await work.commit(files, message, style)
        if made:
            self._tell(f"commit {made}: {message}")
        return made

    async def push(self, work: WorkTree) -> None:
        self._tell(f"push {work.head} to {work.remote.url} as {work.remote.branch}")


class RehearsedHttp:
    """A forge's HTTP that reads and probes, but only says what it would write. The answer is an empty success.

    What is below a repository that would have been made reads as empty, not as missing.
    """

    def __init__(self, http: Http, base_url: str, tell: Tell) -> None:
        self._http, self._base_url, self._tell = http, base_url, tell
        self._imagined: set[str] = set()

    async def read(self, path: str, accept: str = "application/json") -> Answer:
        answer = await self._http.read(path, accept)
        if answer.status == 404 and self._imagined & set(unquote(path.partition("?")[0]).split("/")):
            return Answer(answer.request, 200, answer.headers, [])
        return answer

    async def probe(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        return await self._http.probe(method, path, body)

    async def write(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        request = f"{method} {self._base_url}{path.removeprefix('/')}"
        if body and path.endswith(("/repos", "/projects")):
            self._imagined |= {str(body["name"]), str(body["name"]).lower()}
        self._tell(f"{request} {json.dumps(body)}" if body else request)
        return Answer(request, 200, {}, None)


def _difference(name: str, before: str | None, after: str) -> str:
    """A new file whole, a changed one as a unified diff."""
    if before == after:
        return f"file {name} is unchanged"
    old = [] if before is None else before.splitlines(keepends=True)
    origin = "/dev/null" if before is None else f"a/{name}"
    return "".join(difflib.unified_diff(old, after.splitlines(keepends=True), origin, f"b/{name}")).rstrip("\n")
