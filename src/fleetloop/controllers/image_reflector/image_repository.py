"""ImageRepository: which tags an image has, scanned at its interval. Flux: helm-notification-image.md 4.1."""

import asyncio
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import aiohttp
import re2  # type: ignore[import-untyped]

from fleetloop import oci
from fleetloop.api import names
from fleetloop.api.durations import duration_text, seconds_of
from fleetloop.api.image import ImageRepository, ImageRepositoryStatus, ScanResult
from fleetloop.api.meta import Status
from fleetloop.controllers.image_reflector.access import ImageAccess, repository_of
from fleetloop.controllers.image_reflector.failures import ScanFailed
from fleetloop.controllers.image_reflector.tags import TagStore, in_order
from fleetloop.runtime import settle as settling
from fleetloop.runtime.controller import Report
from fleetloop.runtime.outcome import Done, Failure, Outcome

SHOWN = 10  # latest tags in the status
SHORTEST = 1.0  # seconds of a timeout


@dataclass(slots=True)
class ImageRepositoryReconciler:
    access: ImageAccess
    session: aiohttp.ClientSession
    store: TagStore
    now: Callable[[], datetime.datetime]
    revision_of: Callable[[Sequence[str]], str]
    owned_conditions: frozenset[str] = frozenset({"Ready", "Reconciling", "Stalled"})

    async def reconcile(self, obj: ImageRepository, draft: Status, report: Report) -> Outcome:
        """Raises Failure."""
        status = cast(ImageRepositoryStatus, draft)
        repository = repository_of(obj.spec.image)
        canonical = str(repository)
        interval = seconds_of(obj.spec.interval)
        known = await asyncio.to_thread(self.store.read, canonical)
        reason, left = self._due(obj, canonical, known, interval)
        if not reason:
            return _done(status, left, "no change in repository configuration since last scan", report)
        if not known and status.last_scan_result:
            settling.begin(status, f"scanning: {reason}", generation=obj.metadata.generation, now=self.now())
            await report.progress()  # those who wait for tags see a change
        tags = in_order(excluded(await self._scan(obj, repository), obj.spec.exclusion_list))
        await asyncio.to_thread(self.store.write, canonical, tags)
        self._record(obj, status, canonical, tags)
        return _done(status, interval, "tags did not change", report)

    async def finalize(self, obj: ImageRepository, report: Report) -> None:
        """Tags are of the image, which others may follow too: they stay."""

    def settle(self, obj: ImageRepository, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        settling.settle(draft, result, generation=obj.metadata.generation, now=now)

    def suspended(self, obj: ImageRepository, draft: Status) -> None:
        """Nothing but lastHandledReconcileAt."""

    def _due(self, obj: ImageRepository, canonical: str, known: Sequence[str] | None, interval: float) -> tuple[str, float]:
        """Why a scan is due, "" when it is not; and the seconds until it is."""
        status, last = obj.status, obj.status.last_scan_result
        requested = obj.metadata.annotations.get(names.REQUESTED_AT, "")
        if last is None or last.scan_time is None:
            return "first scan", 0.0
        reasons = (
            (requested not in {"", status.last_handled_reconcile_at}, "reconcile requested"),
            (status.canonical_image_name != canonical, "new image name"),
            (set(status.observed_exclusion_list) != set(obj.spec.exclusion_list), "updated exclusion list"),
            (not known, "no tags in database"),
        )
        if found := next((reason for holds, reason in reasons if holds), ""):
            return found, 0.0
        left = interval - (self.now() - last.scan_time).total_seconds()
        return ("triggered by interval", 0.0) if left <= 0 else ("", left)

    async def _scan(self, obj: ImageRepository, repository: oci.Repository) -> list[str]:
        spec = obj.spec
        timeout = max(seconds_of(spec.timeout or spec.interval), SHORTEST)
        try:
            async with asyncio.timeout(timeout):
                return await oci.Registry(self.session, await self.access.of(obj)).tags(repository)
        except TimeoutError as error:
            raise ScanFailed(f"scan failed: no answer within {duration_text(timeout)}") from error
        except oci.OciError as error:
            raise ScanFailed(f"scan failed: {error}") from error

    def _record(self, obj: ImageRepository, status: ImageRepositoryStatus, canonical: str, tags: list[str]) -> None:
        now = self.now().replace(microsecond=0)
        status.canonical_image_name = canonical
        status.observed_exclusion_list = obj.spec.exclusion_list
        status.last_scan_result = ScanResult(
            tag_count=len(tags), latest_tags=tuple(tags[:SHOWN]), revision=self.revision_of(tags), scan_time=now
        )


def _done(status: ImageRepositoryStatus, after: float, quiet: str, report: Report) -> Done:
    """`quiet`: what is told when nobody has to know."""
    message = _ready_message(status)
    if status.says("Ready", message):
        report.event("Trace", "Succeeded", f"{quiet}, next scan in {duration_text(round(after))}")
        return Done(after=after, reason="Succeeded", message=message)
    return Done(after=after, reason="Succeeded", message=message, event=message, is_news=True)


def excluded(tags: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Without those that a pattern matches anywhere. Raises ScanFailed for a pattern that is none."""
    options = re2.Options()
    options.log_errors = False
    matchers = []
    for pattern in patterns:
        try:
            matchers.append(re2.compile(pattern, options))
        except re2.error:
            raise ScanFailed(f"failed to compile regex: spec.exclusionList '{pattern}' is no regular expression") from None
    return [tag for tag in tags if not any(matcher.search(tag) for matcher in matchers)]


def _ready_message(status: ImageRepositoryStatus) -> str:
    last = status.last_scan_result
    return f"successful scan: found {last.tag_count} tags with checksum {last.revision}" if last else ""
