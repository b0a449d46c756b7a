"""One pass's hold on its release: what is wanted, Helm at its place, and the draft that actions write their facts into."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from fleetloop.access.clusters import Cluster
from fleetloop.api.durations import duration_text
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus, Snapshot
from fleetloop.controllers.helm.conditions import running, unknown
from fleetloop.controllers.helm.engine import Helm, HelmFailed, Outcome
from fleetloop.controllers.helm.history import chart_named, event_metadata, recorded, snapshot_of
from fleetloop.controllers.helm.next_action import Action
from fleetloop.controllers.helm.release import Defaults, timeout_of
from fleetloop.kube.client import Kube
from fleetloop.kube.objects import Manifest
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.conditions import mark
from fleetloop.runtime.controller import Report

LEAST_PATIENCE = 120.0  # seconds: definitions are waited for, and objects are asked for one by one


@dataclass(frozen=True, slots=True)
class Run:
    """`chart_path`: the packaged chart; `version` is what Helm sees. `superseded_by`: what newer thing ended the last wait."""

    release: HelmRelease
    draft: HelmReleaseStatus
    report: Report
    helm: Helm
    cluster: Cluster
    kube: Kube  # as whom the release acts there
    chart_path: str
    chart_name: str
    version: str
    app_version: str
    definitions: list[Manifest]
    values: dict[str, Any]
    config_digest: str
    defaults: Defaults
    superseded_by: Callable[[], str]

    @property
    def chart(self) -> str:
        return chart_named(self.chart_name, self.version)

    @property
    def newest(self) -> Snapshot | None:
        return self.draft.history[0] if self.draft.history else None

    @property
    def released(self) -> Snapshot:
        """The newest, where there must be one."""
        return self.draft.history[0]

    async def announce(self, action: Action, seconds: float, *, decides: bool = False) -> None:
        """`decides`: about Ready, which is unknown until it ends."""
        message = f"Running '{action}' action with timeout of {duration_text(seconds)}"
        running(self.draft, self.release, message, utc_now())
        if decides:
            unknown(self.draft, self.release, message, utc_now())
        await self.report.progress()

    async def act(self, verb: str, within: float, /, **args: object) -> Outcome:
        """The world is awaited in there: another pass may have the worker. What Helm refused to begin is an outcome too."""
        async with self.report.away():
            try:
                return await self.helm.act(verb, within, **args)
            except HelmFailed as error:
                return Outcome([], [], str(error))

    def asking(self) -> AbstractAsyncContextManager[None]:
        """Around questions to the cluster: a remote one that does not answer holds no worker. Raises ClusterFailed."""
        return self.cluster.told(max(timeout_of(self.release, None), LEAST_PATIENCE), self.report.away)

    def record(self, outcome: Outcome, action: str) -> None:
        """What Helm wrote, into status.history: the newest version is this action's, older ones keep theirs."""
        newest = max((stored.version for stored in outcome.observed), default=0)
        for stored in outcome.observed:
            old = next((one for one in self.draft.history if one.version == stored.version), None)
            oci = self.helm.new_oci_digest if old is None else old.oci_digest
            is_new = old is None and stored.version == newest
            self.keep(snapshot_of(stored, action if is_new else "", oci, old))

    def keep(self, snapshot: Snapshot) -> None:
        self.draft.history = recorded(self.draft.history, snapshot)

    def mark(self, type: str, value: str, reason: str, message: str) -> None:
        mark(self.draft, type, value, reason, message, generation=self.release.metadata.generation, now=utc_now())

    def tell(self, reason: str, message: str, *, bad: bool = False, of: Snapshot | None = None) -> None:
        """`of`: the release that was acted on, where that is not what is wanted now."""
        wanted = (self.version, self.app_version, self.helm.new_oci_digest)
        version, app_version, digest = (of.chart_version, of.app_version, of.oci_digest) if of else wanted
        metadata = event_metadata(version, self.config_digest, app_version, digest)
        self.report.event("Warning" if bad else "Normal", reason, message, metadata)
