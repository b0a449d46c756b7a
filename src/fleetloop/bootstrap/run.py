"""Bootstrap, from a plan to a cluster that follows its repository: the straight list of steps.

Every step may be repeated, so a run that was killed is completed by running it again.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fleetloop.bootstrap import steps
from fleetloop.bootstrap.deploy_token import reconcile_with_deploy_token
from fleetloop.bootstrap.errors import HealthCheckFailed, ReconciledWithWarning, StepFailed, failing_as
from fleetloop.bootstrap.installed import confirm_override, find_installed
from fleetloop.bootstrap.overlay import build_overlay, component_files, sync_files
from fleetloop.bootstrap.plan import Plan
from fleetloop.bootstrap.preflight import Findings, preflight
from fleetloop.bootstrap.say import Say
from fleetloop.bootstrap.secret import FromDeployToken
from fleetloop.bootstrap.tools import Tools
from fleetloop.bootstrap.waits import NO_TIME, Expected, wait_for_deployments, wait_for_sync
from fleetloop.bootstrap.work import Remote, WorkTree
from fleetloop.build import BuildError
from fleetloop.forge import Repository
from fleetloop.kube import Kube


async def bootstrap(plan: Plan, tools: Tools) -> None:
    """Raises BootstrapError and, bare, what an apply or a Secret's write raises."""
    deadline = asyncio.get_running_loop().time() + plan.timeout
    async with _until(deadline):
        if not plan.overrides:
            await confirm_override(await find_installed(tools.kube), "bootstrap", tools.say, tools.ask)
        findings = await preflight(plan, tools.kube, tools.forge)
    async with WorkTree.temporary(_remote(plan, findings, tools)) as work:
        async with _until(deadline):
            repository, all_granted = await _prepare_repository(plan, work, tools)
            await _bring_to_cluster(plan, findings, repository, work, tools)
        await tools.confirm(Expected(f"{plan.sync.branch}@sha1:{work.head}", work.is_built_upon), deadline)
    if not all_granted:
        raise ReconciledWithWarning


@asynccontextmanager
async def _until(deadline: float) -> AsyncIterator[None]:
    """`--timeout` bounds everything but the components' health."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise StepFailed(NO_TIME) from None


def _remote(plan: Plan, findings: Findings, tools: Tools) -> Remote:
    known_hosts = plan.credentials.known_hosts or findings.clone_known_hosts
    credentials = dataclasses.replace(plan.credentials, known_hosts=known_hosts)
    return Remote(plan.remote, plan.sync.branch, credentials, tools.git, plan.timeout)


async def _prepare_repository(plan: Plan, work: WorkTree, tools: Tools) -> tuple[Repository | None, bool]:
    """A clone to work in, and whether all teams have their access."""
    if tools.forge is None or plan.target is None:
        await steps.clone(work, tools)
        return None, True
    repository, is_new = await steps.ensure_repository(tools.forge, plan.target, tools)
    all_granted = await steps.grant_teams(tools.forge, repository, plan.target, tools)
    await (steps.initialise if is_new else steps.clone)(work, tools)
    return repository, all_granted


async def _bring_to_cluster(plan: Plan, findings: Findings, repository: Repository | None, work: WorkTree, tools: Tools) -> None:
    tools.say.action("generating component manifests")
    with failing_as("component manifest generation failed", BuildError, OSError):
        components = await asyncio.to_thread(component_files, plan)
        overlay = await build_overlay(plan, work, components, tools.build)
    tools.say.success("generated component manifests")
    steps.warn_of_pruning(plan, work, tools)

    version = plan.components.version
    await steps.publish("component", lambda _: components, f"Add Flux {version} component manifests", work, plan, tools)
    if findings.installs:
        await steps.install_components(plan, overlay.components, tools)
    if plan.pull_secret:
        await steps.write_pull_secret(plan.namespace, plan.pull_secret, tools)
    tools.say.success("reconciled components")

    if isinstance(plan.secret.access, FromDeployToken):
        await reconcile_with_deploy_token(plan, findings, repository, tools)
    else:
        await steps.reconcile_source_secret(plan, findings, repository, tools)

    tools.say.action("generating sync manifests")
    tools.say.success("generated sync manifests")
    await steps.publish("sync", lambda tree: sync_files(plan, tree), "Add Flux sync manifests", work, plan, tools)
    await steps.apply_sync(plan, overlay.sync, findings, tools)


async def confirm(kube: Kube, plan: Plan, say: Say, expected: Expected, deadline: float) -> None:
    """Until the cluster follows the commit and runs the components; the components have their own `plan.timeout`.

    Raises HealthCheckFailed with all that did not become ready.
    """
    failures = await wait_for_sync(kube, plan.namespace, expected, deadline, say)
    say.action("confirming components are healthy")
    if await wait_for_deployments(kube, plan.namespace, plan.components.components, plan.timeout, say):
        say.success("all components are healthy")
    else:
        failures.append("timed out waiting for all resources to be ready")
        say.failure(failures[-1])
    if failures:
        raise HealthCheckFailed(failures)
