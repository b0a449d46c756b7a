"""What a HelmRelease's spec means for Helm: names, places, timeouts, and the options of each action. Pure.

Flux: helm-notification-image.md 2.2.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from fleetloop.api.durations import seconds_of
from fleetloop.api.helm import HelmRelease, Install, Rollback, Uninstall, Upgrade
from fleetloop.api.meta import content_of

LONGEST_NAME = 53
DEFAULT_TIMEOUT = 300.0  # seconds
DEFAULT_HISTORY = 5
Remedy = Literal["rollback", "uninstall"]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What flags say where the spec says nothing. `helm3`: the gate UseHelm3Defaults."""

    allow_dns: bool = False
    helm3: bool = False


def release_name(release: HelmRelease) -> str:
    """HN3: composed names that are too long are cut at 40 characters and told apart by a hash."""
    spec = release.spec
    if spec.release_name:
        return spec.release_name
    name = f"{spec.target_namespace}-{release.name}" if spec.target_namespace else release.name
    return shortened(name)


def shortened(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def release_namespace(release: HelmRelease) -> str:
    return release.spec.target_namespace or release.namespace


def storage_namespace(release: HelmRelease) -> str:
    return release.spec.storage_namespace or release.namespace


def timeout_of(release: HelmRelease, own: str | None) -> float:
    """Seconds: the action's own, else the release's."""
    wanted = own or release.spec.timeout
    return seconds_of(wanted) if wanted else DEFAULT_TIMEOUT


def max_history(release: HelmRelease) -> int:
    return DEFAULT_HISTORY if release.spec.max_history is None else release.spec.max_history


def install_options(release: HelmRelease, defaults: Defaults) -> dict[str, Any]:
    install = release.spec.install or Install()
    wanted = not defaults.helm3 if install.server_side_apply is None else install.server_side_apply
    return _common(install, timeout_of(release, install.timeout)) | {
        "disableOpenAPIValidation": install.disable_open_api_validation,
        "disableSchemaValidation": install.disable_schema_validation,
        "takeOwnership": not install.disable_take_ownership,
        "serverSide": "true" if wanted else "false",
        "allowDNS": defaults.allow_dns,
    }


def upgrade_options(release: HelmRelease, defaults: Defaults) -> dict[str, Any]:
    upgrade = release.spec.upgrade or Upgrade()
    return _common(upgrade, timeout_of(release, upgrade.timeout)) | {
        "disableOpenAPIValidation": upgrade.disable_open_api_validation,
        "disableSchemaValidation": upgrade.disable_schema_validation,
        "takeOwnership": not upgrade.disable_take_ownership,
        "serverSide": _server_side(upgrade.server_side_apply),
        "force": upgrade.force,
        "maxHistory": max_history(release),
        "cleanupOnFail": upgrade.cleanup_on_fail,
        "allowDNS": defaults.allow_dns,
    }


def rollback_options(release: HelmRelease) -> dict[str, Any]:
    rollback = release.spec.rollback or Rollback()
    return _common(rollback, timeout_of(release, rollback.timeout)) | {
        "serverSide": _server_side(rollback.server_side_apply),
        "force": rollback.force,
        "maxHistory": max_history(release),
        "cleanupOnFail": rollback.cleanup_on_fail,
    }


def uninstall_arguments(release: HelmRelease) -> dict[str, Any]:
    uninstall = release.spec.uninstall or Uninstall()
    return {
        "seconds": timeout_of(release, uninstall.timeout),
        "disableHooks": uninstall.disable_hooks,
        "disableWait": uninstall.disable_wait,
        "keepHistory": uninstall.keep_history,
        "propagation": uninstall.deletion_propagation,
        "description": "",
    }


def test_arguments(release: HelmRelease) -> dict[str, Any]:
    test = release.spec.test
    assert test is not None
    return {
        "seconds": timeout_of(release, test.timeout),
        "include": [one.name for one in test.filters if not one.exclude],
        "exclude": [one.name for one in test.filters if one.exclude],
    }


def waits_as_helm3(release: HelmRelease, defaults: Defaults) -> bool:
    """The strategy `legacy`, which knows no expressions. Flux: 2.14."""
    strategy = release.spec.wait_strategy
    return strategy.name == "legacy" if strategy else defaults.helm3


def post_render(release: HelmRelease, defaults: Defaults) -> dict[str, Any]:
    """Labels of the origin win over everything. Flux: 2.13."""
    spec = release.spec
    common = spec.common_metadata
    steps = [renderer.kustomize for renderer in spec.post_renderers if renderer.kustomize]
    return {
        "kustomizations": [
            {"patches": [content_of(p) for p in step.patches], "images": [content_of(i) for i in step.images]} for step in steps
        ],
        "labels": common.labels if common else {},
        "annotations": common.annotations if common else {},
        "origin": origin_labels(release),
        "strategy": spec.post_render_strategy or ("nohooks" if defaults.helm3 else "combined"),
    }


def origin_labels(release: HelmRelease) -> dict[str, str]:
    return {"helm.toolkit.fluxcd.io/name": release.name, "helm.toolkit.fluxcd.io/namespace": release.namespace}


def _common(action: Install | Upgrade | Rollback, seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "disableHooks": action.disable_hooks,
        "disableWait": action.disable_wait,
        "disableWaitForJobs": action.disable_wait_for_jobs,
    }


def _server_side(wanted: str | None) -> str:
    return {"enabled": "true", "disabled": "false"}.get(wanted or "auto", "auto")
