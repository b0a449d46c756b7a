"""Binds image-reflector-controller: a scan that found something new wakes its repository's policies. Runs until cancelled."""

from collections.abc import Sequence
from typing import Any

from fleetloop.access.identities import Identities
from fleetloop.access.registry_logins import RegistryLogins
from fleetloop.api import names
from fleetloop.api.image import ImagePolicy, ImageRepository
from fleetloop.api.kinds import kind_named
from fleetloop.api.names import IMAGE_REFLECTOR_CONTROLLER
from fleetloop.auth import TokenCache
from fleetloop.controllers.image_reflector.access import ImageAccess
from fleetloop.controllers.image_reflector.failures import SelectionFailed
from fleetloop.controllers.image_reflector.image_policy import ImagePolicyReconciler
from fleetloop.controllers.image_reflector.image_repository import ImageRepositoryReconciler
from fleetloop.controllers.image_reflector.policies import SelectVersions
from fleetloop.controllers.image_reflector.settings import FLUX_STORAGE, ReflectorSettings
from fleetloop.controllers.image_reflector.tags import TagStore, digest_of, revision_of
from fleetloop.engine import EngineError, EngineGone, EngineMissing, Engines, EngineTimeout, Family
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.controller import Controller
from fleetloop.runtime.process import Tools, loop_settings
from fleetloop.task_group import TaskGroup

_SELECT_TIMEOUT = 10.0  # seconds


async def run(tools: Tools, settings: ReflectorSettings) -> None:
    """The whole controller."""
    async with Engines() as engines, TaskGroup() as group:
        controllers = _controllers(tools, settings, engines)
        caches = [controller.cache for controller in controllers]
        for controller in controllers:
            group.create_task(controller.run(after=caches))


def ranges_by(engines: Engines) -> SelectVersions:
    """How ranges of versions are read."""

    async def select(wanted: str, versions: Sequence[str]) -> Sequence[str]:
        arguments: dict[str, Any] = {"range": wanted, "versions": list(versions), "parse": "dotted"}
        try:
            found = await engines.call_surely(Family.BUILD, "semver.select", _SELECT_TIMEOUT, **arguments)
        except (EngineTimeout, EngineGone, EngineMissing) as error:
            raise SelectionFailed(f"failed to select a version: {error}") from error
        except EngineError as error:
            raise ValueError(str(error)) from error
        return [str(version) for version in found["matches"]]

    return select


def _controllers(tools: Tools, settings: ReflectorSettings, engines: Engines) -> list[Controller[Any]]:
    common = settings.common
    identities = Identities(tools.kube, common.gates[names.WORKLOAD_IDENTITY_GATE], common.default_service_account)
    tokens = TokenCache(common.token_cache_max_size, common.token_cache_max_duration, tools.metrics.token_cache)
    store, access = TagStore(settings.storage_path), ImageAccess(tools.kube, RegistryLogins(identities, tokens))
    loop = loop_settings(tools, IMAGE_REFLECTOR_CONTROLLER)
    shared = (tools.kube, tools.recorder, tools.metrics, loop)

    def scanned(old: ImageRepository | None, new: ImageRepository | None) -> None:
        if new is None or new.status.last_scan_result is None:
            return
        before = old.status.last_scan_result if old else None
        if before is not None and before.revision == new.status.last_scan_result.revision:
            return
        for policy in policies.cache:
            ref = policy.spec.image_repository_ref
            if (ref.namespace or policy.namespace, ref.name) == (new.namespace, new.name):
                policies.enqueue(policy.key)

    repositories: Controller[ImageRepository] = Controller(
        kind_named("ImageRepository"),
        ImageRepository,
        ImageRepositoryReconciler(
            access, tools.session, store, utc_now, digest_of if common.gates[FLUX_STORAGE] else revision_of
        ),
        *shared,
        also=scanned,
    )
    policies: Controller[ImagePolicy] = Controller(
        kind_named("ImagePolicy"),
        ImagePolicy,
        ImagePolicyReconciler(
            kube=tools.kube,
            access=access,
            session=tools.session,
            store=store,
            find=lambda key: repositories.cache.get(key.namespace, key.name),
            select=ranges_by(engines),
            no_cross_namespace=common.no_cross_namespace_refs,
            requeue_dependency=settings.requeue_dependency,
        ),
        *shared,
    )
    return [repositories, policies]
