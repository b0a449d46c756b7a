"""Acts about Helm releases: a value that changes, a version that does not come up, and the one that follows it."""

from typing import Any

from fleetloop.kube import Kube, Manifest, ObjectRef
from fleetloop.local.demo.organisation import Organisation, edited
from fleetloop.local.demo.watching import Say, condition_of, is_ready, ready_of, until_object
from fleetloop.local.node.pretence import FAIL

ACT_TIMEOUT = 120.0
RELEASE = ObjectRef("helm.toolkit.fluxcd.io/v2", "HelmRelease", "apps", "reviews")
SETTINGS = ObjectRef("v1", "ConfigMap", "apps", "reviews")
FILE = "base/reviews/release.yaml"
SOUND, CRASHING, MENDED = (f"podAnnotations: {{{text}}}" for text in ("", f'{FAIL}: "true"', 'mended: "true"'))


async def change_a_value(organisation: Organisation, staging: Kube, production: Kube, say: Say) -> None:
    change = edited(FILE, "moderation: strict", "moderation: relaxed")
    sha = await organisation.commit("apps", "Reviews: moderate less", change)
    say.success(f"pushed {sha[:8]}: reviews, moderation: relaxed")
    live = await until_object(staging, RELEASE, lambda live: _is_deployed(live, 2), ACT_TIMEOUT)
    await until_object(staging, SETTINGS, lambda live: _moderation(live) == "relaxed", ACT_TIMEOUT)
    say.success(f"staging: {ready_of(live)[1]}")
    say.success(f"production, on branch production, still has moderation: {_moderation(await production.get(SETTINGS))}")


async def fail_and_recover(organisation: Organisation, staging: Kube, say: Say) -> None:
    sha = await organisation.commit("apps", "Reviews: a version that crashes", edited(FILE, SOUND, CRASHING))
    say.action(f"pushed {sha[:8]}: reviews, a version that crashes")
    live = await until_object(staging, RELEASE, _is_rolled_back, ACT_TIMEOUT)
    say.failure(f"staging: {condition_of(live, 'Released').get('message', '')}")
    say.success(f"staging: {condition_of(live, 'Remediated').get('message', '')}")
    sha = await organisation.commit("apps", "Reviews: a version that works", edited(FILE, CRASHING, MENDED))
    say.action(f"pushed {sha[:8]}: reviews, a version that works")
    live = await until_object(staging, RELEASE, lambda live: _is_deployed(live, 5), ACT_TIMEOUT)
    say.success(f"staging: {ready_of(live)[1]}")


def _is_deployed(live: Manifest | None, version: int) -> bool:
    newest = _history(live)[0]
    return is_ready(live) and newest.get("status") == "deployed" and newest.get("version", 0) >= version


def _is_rolled_back(live: Manifest | None) -> bool:
    return condition_of(live, "Remediated").get("reason") == "RollbackSucceeded"


def _history(live: Manifest | None) -> list[dict[str, Any]]:
    """Newest first."""
    return ((live or {}).get("status") or {}).get("history") or [{}]


def _moderation(live: Manifest | None) -> str:
    return str(((live or {}).get("data") or {}).get("MODERATION", ""))
