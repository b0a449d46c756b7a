"""What the planned files come to: the `flux-system` directory built with the team's own patches, before it is pushed.

The objects are split in two: the components, applied first, and the pair of sync objects, applied when the Secret they
need is there (⚠ 33).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleetloop.bootstrap.components import generate
from fleetloop.bootstrap.errors import StepFailed
from fleetloop.bootstrap.files import COMPONENTS_FILE, KUSTOMIZATION_FILE, SYNC_FILE, kustomization_file, sync_manifests
from fleetloop.bootstrap.kustomize_dir import directory_in, find_kustomization, resources_below
from fleetloop.bootstrap.paths import inside
from fleetloop.bootstrap.plan import Plan
from fleetloop.bootstrap.waits import git_repository, kustomization
from fleetloop.bootstrap.work import WorkTree, written
from fleetloop.kube import Manifest, ref_of

Build = Callable[[Path, str], Awaitable[list[Manifest]]]
"""Root of the tree, and the directory below it; the objects in kustomize's order. Raises build.BuildError."""


@dataclass(frozen=True, slots=True)
class Overlay:
    components: list[Manifest]
    sync: list[Manifest]


def component_files(plan: Plan) -> dict[str, str]:
    return {inside(plan.sync.path, plan.namespace, COMPONENTS_FILE): generate(plan.components)}


def sync_files(plan: Plan, tree: Path) -> dict[str, str]:
    """gotk-sync.yaml, and the overlay file where the team has none; theirs is never completed or rewritten."""
    files = {inside(plan.sync.path, plan.namespace, SYNC_FILE): sync_manifests(plan.sync)}
    directory = directory_in(tree, plan.sync.path, plan.namespace)
    if find_kustomization(directory) is None:
        others = resources_below(directory) if directory.is_dir() else []
        listed = {*others, COMPONENTS_FILE, SYNC_FILE}
        files[inside(plan.sync.path, plan.namespace, KUSTOMIZATION_FILE)] = kustomization_file(sorted(listed))
    return files


async def build_overlay(plan: Plan, work: WorkTree, components: Mapping[str, str], build: Build) -> Overlay:
    """Raises StepFailed when the directory would not install the sync, build.BuildError when it does not build."""
    sync = await asyncio.to_thread(sync_files, plan, work.path)
    directory = inside(plan.sync.path, plan.namespace)
    async with written(work.path, {**components, **sync}):
        objects = await build(work.path, directory)
    if not objects:
        raise StepFailed(f"no Kubernetes objects found at: {directory}")
    ours = {git_repository(plan.namespace).identity, kustomization(plan.namespace).identity}
    overlay = Overlay(
        components=[manifest for manifest in objects if ref_of(manifest).identity not in ours],
        sync=[manifest for manifest in objects if ref_of(manifest).identity in ours],
    )
    if len(overlay.sync) != len(ours):
        raise StepFailed(f"{directory} has a {KUSTOMIZATION_FILE} that does not list {SYNC_FILE}: add it to its resources")
    return overlay
