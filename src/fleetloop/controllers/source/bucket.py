"""Bucket: one pass from the object to its artifact. Flux: source-kustomize.md 4 (SK12, SK13)."""

import asyncio
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import cast

from fleetloop import bucket
from fleetloop.api import reasons
from fleetloop.api.durations import seconds_of
from fleetloop.api.meta import Status
from fleetloop.api.source import Bucket, BucketStatus
from fleetloop.controllers.source.artifact import Storage, work_folder
from fleetloop.controllers.source.bucket_access import BucketAccess
from fleetloop.controllers.source.failures import FetchFailed
from fleetloop.controllers.source.source_pass import SourcePass, SourceReconciler
from fleetloop.runtime.controller import Report
from fleetloop.runtime.outcome import Outcome
from fleetloop.storage.ignore import IgnoreRules, SourceIgnoreError, bucket_rules
from fleetloop.storage.store import LATEST
from fleetloop.storage.tarball import write_tarball

IGNORE_FILE = ".sourceignore"
LARGEST = 4 << 30  # bytes in all


class BucketReconciler(SourceReconciler[Bucket]):
    def __init__(
        self, storage: Storage, now: Callable[[], datetime.datetime], access: BucketAccess, temp: Path | None = None
    ) -> None:
        """`temp`: where trees are made."""
        super().__init__(storage, now)
        self.access, self.temp = access, temp

    async def reconcile(self, obj: Bucket, draft: Status, report: Report) -> Outcome:
        """Raises SourceFailure."""
        return await _Pass(self, obj, cast(BucketStatus, draft), report).run()


class _Pass(SourcePass):
    def __init__(self, tools: BucketReconciler, obj: Bucket, draft: BucketStatus, report: Report) -> None:
        super().__init__(tools, obj, draft, report)  # type: ignore[arg-type]  # a reconciler of one kind of Object
        self._tools, self._source, self._status = tools, obj, draft

    async def run(self) -> Outcome:
        source, spec = self._source, self._source.spec
        await self.begin()
        opened = await self._tools.access.open(source)
        try:
            async with asyncio.timeout(seconds_of(spec.timeout)), work_folder(self._tools.temp) as folder:
                count = await self._from(opened, folder)
        except TimeoutError as error:
            message = f"fetch from bucket '{spec.bucket_name}' failed: no answer within {spec.timeout}"
            raise FetchFailed(reasons.BUCKET_OPERATION_FAILED, message) from error
        except (bucket.BucketError, SourceIgnoreError) as error:
            raise FetchFailed(reasons.BUCKET_OPERATION_FAILED, str(error)) from error
        return self.done(
            seconds_of(spec.interval), f"stored artifact with {count} fetched files from '{spec.bucket_name}' bucket"
        )

    async def _from(self, opened: bucket.Opened, folder: Path) -> int:
        """The number of objects."""
        source, spec = self._source, self._source.spec
        patterns = await bucket.read_object(opened, IGNORE_FILE)
        rules = await asyncio.to_thread(_rules, patterns, spec.ignore)
        listing = await bucket.list_objects(opened, spec.prefix, lambda key: key != IGNORE_FILE and not rules.ignores(key))
        revision = f"sha256:{bucket.revision_of(listing)}"
        if not self.is_stored(revision):
            tree = folder / "tree"
            await asyncio.to_thread(tree.mkdir)
            listing = await bucket.download(opened, listing, tree, LARGEST)
            revision = f"sha256:{bucket.revision_of(listing)}"
            self.clear(reasons.FETCH_FAILED)
            if patterns is not None:
                await asyncio.to_thread((tree / IGNORE_FILE).write_bytes, patterns)
        self.clear(reasons.FETCH_FAILED)
        if not self.is_stored(revision):
            await self.announce(revision, f"new upstream revision '{revision}'")
            name = f"{revision.removeprefix('sha256:')}.tar.gz"
            self.artifact = await self.storage.write(source, name, revision, lambda out: write_tarball(tree, out))
            self._status.url = await self.storage.link(self.artifact, LATEST)
        self._status.observed_ignore = spec.ignore
        self.stored(f"stored artifact: revision '{revision}'")
        return len(listing)


def _rules(patterns: bytes | None, extra: str | None) -> IgnoreRules:
    """SK12: those two alone, no defaults; patterns are relative to the root. Raises SourceIgnoreError."""
    return bucket_rules("\n".join(filter(None, ((patterns or b"").decode(errors="replace"), extra))))
