"""Binds image-automation-controller: a policy that selects another image wakes its namespace's automations."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from fleetloop import git
from fleetloop.access.git_access import GitAccess
from fleetloop.access.identities import Identities
from fleetloop.api import names
from fleetloop.api.image import ImagePolicy, ImageUpdateAutomation
from fleetloop.api.kinds import kind_named
from fleetloop.api.source import GitRepository
from fleetloop.auth import TokenCache
from fleetloop.controllers.image_automation.reconcile import ImageUpdateAutomationReconciler
from fleetloop.controllers.image_automation.settings import AutomationSettings
from fleetloop.controllers.image_automation.watched import Watched
from fleetloop.engine import EngineError, EngineGone, EngineMissing, Engines, EngineTimeout, Family
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.controller import Controller
from fleetloop.runtime.process import Tools, loop_settings
from fleetloop.task_group import TaskGroup

_ENGINE_TIMEOUT = 10.0  # seconds


async def run(tools: Tools, settings: AutomationSettings) -> None:
    """The whole controller."""
    async with Engines() as engines, TaskGroup() as group:
        wiring = Wiring(tools, settings, engines)
        for job in (wiring.policies, wiring.sources, wiring.automations):
            group.create_task(job.run())


class Wiring:
    """Who wakes whom."""

    def __init__(self, tools: Tools, settings: AutomationSettings, engines: Engines) -> None:
        self._engines = engines
        namespace = "" if tools.settings.watch_all_namespaces else tools.place.namespace
        self.policies = Watched(tools.kube, ImagePolicy, self._selected, namespace)
        self.sources = Watched(tools.kube, GitRepository, self._respecified, namespace)
        common = settings.common
        identities = Identities(tools.kube, common.gates[names.WORKLOAD_IDENTITY_GATE], common.default_service_account)
        tokens = TokenCache(common.token_cache_max_size, common.token_cache_max_duration, tools.metrics.token_cache)
        reconciler = ImageUpdateAutomationReconciler(
            kube=tools.kube,
            settings=settings,
            access=GitAccess(tools.kube, identities, tokens, utc_now),
            program=dataclasses.replace(git.Git.inheriting(settings.environment), ssh=settings.ssh),
            policies=self.policies,
            select_versions=self._select_versions,
            render=self._render,
            now=utc_now,
        )
        self.automations: Controller[ImageUpdateAutomation] = Controller(
            kind_named("ImageUpdateAutomation"),
            ImageUpdateAutomation,
            reconciler,
            tools.kube,
            tools.recorder,
            tools.metrics,
            loop_settings(tools, names.IMAGE_AUTOMATION_CONTROLLER),
        )

    def _selected(self, old: ImagePolicy | None, new: ImagePolicy | None) -> None:
        """A policy's choice is another one, or is gone."""
        before, now = old.status.latest_ref if old else None, new.status.latest_ref if new else None
        if before == now:
            return
        policy = new or old
        for automation in self.automations.cache:
            if policy and automation.namespace == policy.namespace:
                self.automations.enqueue(automation.key)

    def _respecified(self, old: GitRepository | None, new: GitRepository | None) -> None:
        """Its spec, not what it fetched: new commits are seen at the interval."""
        if new is None or (old and old.metadata.generation == new.metadata.generation):
            return
        for automation in self.automations.cache:
            ref = automation.spec.source_ref
            if (ref.namespace or automation.namespace, ref.name) == (new.namespace, new.name):
                self.automations.enqueue(automation.key)

    async def _select_versions(self, wanted: str, versions: Sequence[str]) -> Sequence[str]:
        arguments: dict[str, Any] = {"range": wanted, "versions": list(versions), "parse": "dotted"}
        found = await self._ask(Family.BUILD, "semver.select", arguments)
        return [str(version) for version in found["matches"]]

    async def _render(self, arguments: dict[str, Any]) -> str:
        found = await self._ask(Family.HELM, "message.render", arguments, owner=arguments["object"]["namespace"])
        return str(found["text"])

    async def _ask(self, family: Family, verb: str, arguments: dict[str, Any], owner: str = "") -> Any:
        """`owner`: whose templates they are, so that one's bombs are not another's. Raises ValueError."""
        try:
            return await self._engines.call_surely(family, verb, _ENGINE_TIMEOUT, owner, **arguments)
        except (EngineError, EngineTimeout, EngineGone, EngineMissing) as error:
            raise ValueError(str(error)) from error
