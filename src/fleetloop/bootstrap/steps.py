"""The steps of a bootstrap. Each may be repeated, says what it does in the contract's words, and raises StepFailed.

`run.py` has their order.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from fleetloop.bootstrap.errors import Cancelled, StepFailed, failing_as
from fleetloop.bootstrap.files import COMPONENTS_FILE, components_in
from fleetloop.bootstrap.paths import inside
from fleetloop.bootstrap.plan import ForgeTarget, Plan, TeamGrant
from fleetloop.bootstrap.preflight import Findings, deploy_key
from fleetloop.bootstrap.pull_secret import PullSecret
from fleetloop.bootstrap.secret import (
    CREDENTIAL_KEYS,
    GeneratedKey,
    GivenKey,
    contents,
    public_key_of,
    secret_manifest,
)
from fleetloop.bootstrap.tools import Tools
from fleetloop.bootstrap.waits import git_repository, kustomization
from fleetloop.bootstrap.work import WorkTree
from fleetloop.forge import Forge, ForgeError, Repository
from fleetloop.forge.forge import key_text
from fleetloop.git import GitError, KeyPair, NonFastForward, generate_key, key_pair_of
from fleetloop.kube import ApiError, Manifest, Unreachable

CLONE_ATTEMPTS, BETWEEN_CLONES = 2, 2.0  # seconds: a forge may need a moment after it made a repository
Files = Callable[[Path], Mapping[str, str]]


async def ensure_repository(forge: Forge, target: ForgeTarget, tools: Tools) -> tuple[Repository, bool]:
    """The repository, and whether it was made just now."""
    wish = target.wish
    tools.say.action(f"connecting to {forge.domain}")
    url = target.repository.web_url
    with failing_as(f'failed to create new Git repository "{url}"', ForgeError):
        change = await forge.ensure_repository(wish)
    if change.kind == "created":
        tools.say.success(f'repository "{url}" created')
    return change.value, change.kind == "created"


async def grant_teams(forge: Forge, repository: Repository, target: ForgeTarget, tools: Tools) -> bool:
    """False when a team could not be given its access: everything goes on, and the end tells (⚠ 11)."""
    if not target.grants or target.wish.personal:
        return True
    tools.say.action("reconciling repository permissions")
    granted = [await _grant(forge, repository, target, grant, tools) for grant in target.grants]
    tools.say.success("reconciled repository permissions")
    return all(granted)


async def clone(work: WorkTree, tools: Tools) -> None:
    remote = work.remote
    tools.say.action(f'cloning branch "{remote.branch}" from Git repository "{remote.url}"')
    for attempt in range(1, CLONE_ATTEMPTS + 1):
        try:
            await work.clone()
        except GitError as error:
            tools.say.warning(f" clone failure: {error}")
            if attempt == CLONE_ATTEMPTS:
                raise StepFailed(f"failed to clone repository: {error}") from error
            await asyncio.sleep(BETWEEN_CLONES)
        else:
            break
    tools.say.success("cloned repository")


async def initialise(work: WorkTree, tools: Tools) -> None:
    """The clone of a repository that was made just now, which is empty."""
    tools.say.action(f'cloning branch "{work.remote.branch}" from Git repository "{work.remote.url}"')
    await work.initialise()
    tools.say.success("cloned repository")


def warn_of_pruning(plan: Plan, work: WorkTree, tools: Tools) -> None:
    """⚠ 40: flags of an earlier run are not remembered, and the cluster removes what is no longer listed."""
    header = work.read(inside(plan.sync.path, plan.namespace, COMPONENTS_FILE)) or ""
    if dropped := set(components_in(header)) - set(plan.components.components):
        listed = ", ".join(sorted(dropped))
        tools.say.warning(f" no longer among the components, so the cluster will remove with all their objects: {listed}")


async def publish(what: str, files: Files, first_line: str, work: WorkTree, plan: Plan, tools: Tools) -> None:
    """Commits and pushes generated files; `what` is component or sync. Somebody else's push meanwhile is no failure (⚠ 29)."""
    remote = work.remote
    pushing = "failed to push manifests" if what == "component" else f"failed to push {what} manifests"
    for is_last in (False, True):
        with failing_as(f"failed to commit {what} manifests", GitError, OSError):
            planned = await asyncio.to_thread(files, work.path)
            made = await tools.hands.commit(work, planned, plan.commits.message(first_line), plan.commits)
        if made is None:
            tools.say.success(f"{what} manifests are up to date")
            return
        tools.say.success(f'committed {what} manifests to "{remote.branch}" ("{made}")')
        tools.say.action(f'pushing {what} manifests to "{remote.url}"')
        try:
            await tools.hands.push(work)
        except NonFastForward as error:
            if is_last:
                raise StepFailed(f"{pushing}: {error}") from error
            tools.say.warning(" git conflict detected, retrying with a fresh clone")
            await clone(work, tools)
        except GitError as error:
            raise StepFailed(f"{pushing}: {error}") from error
        else:
            return


async def install_components(plan: Plan, components: list[Manifest], tools: Tools) -> None:
    tools.say.action(f'installing components in "{plan.namespace}" namespace')
    await tools.hands.apply(components)
    tools.say.success("installed components")


async def write_pull_secret(namespace: str, wanted: PullSecret, tools: Tools) -> None:
    with failing_as("failed to reconcile image pull secret", ApiError, Unreachable):
        await tools.hands.write_secret(wanted.manifest(namespace), frozenset())
    tools.say.success(f"reconciled image pull secret {wanted.name}")


async def reconcile_source_secret(plan: Plan, findings: Findings, repository: Repository | None, tools: Tools) -> None:
    """The key is given its access before the cluster is given the key; a lost deploy key is put back (⚠ 16)."""
    name = f"{plan.namespace}/{plan.sync.secret_name}"
    tools.say.action(f'determining if source secret "{name}" exists')
    if findings.secret is not None and plan.secret.is_kept(findings.secret):
        tools.say.success("source secret up to date")
        if plan.target:
            await _ensure_deploy_key(plan, repository, public_key_of(findings.secret), tools)
        return
    tools.say.action("generating source secret")
    key = await asyncio.to_thread(_key_pair, plan)
    if key:
        tools.say.success(f"public key: {key_text(key.identity_pub.decode())}")
        if plan.target:
            await _ensure_deploy_key(plan, repository, key.identity_pub, tools)
        elif isinstance(plan.secret.access, GeneratedKey) and not await tools.ask_access(
            "Please give the key access to your repository"
        ):
            raise Cancelled("aborting")
    tools.say.action(f'applying source secret "{name}"')
    data = contents(plan.secret, key, findings.known_hosts)
    await tools.hands.write_secret(secret_manifest(plan.namespace, plan.sync.secret_name, data), CREDENTIAL_KEYS)
    tools.say.success("reconciled source secret")


async def apply_sync(plan: Plan, objects: list[Manifest], findings: Findings, tools: Tools) -> None:
    """Only the two objects: what the components become is the cluster's to apply (⚠ 32). An existing pair is told to
    look now (⚠ 35)."""
    tools.say.action("applying sync manifests")
    await tools.hands.apply(objects)
    if findings.sync_exists:
        await tools.hands.request(git_repository(plan.namespace))
        await tools.hands.request(kustomization(plan.namespace))
    tools.say.success("reconciled sync configuration")


async def _grant(forge: Forge, repository: Repository, target: ForgeTarget, grant: TeamGrant, tools: Tools) -> bool:
    try:
        present = await forge.find_team_permission(repository, grant.team)
        if present is None or (target.rewrites_grants and present != grant.permission):
            await forge.grant_team(repository, grant.team, grant.permission)
            tools.say.success(f'granted "{grant.permission}" permissions to "{grant.team}"')
    except ForgeError as error:
        tools.say.failure(f'failed to grant "{grant.permission}" permissions to "{grant.team}": {error}')
        return False
    return True


async def _ensure_deploy_key(plan: Plan, repository: Repository | None, public_key: bytes, tools: Tools) -> None:
    if tools.forge is None or plan.target is None or repository is None:
        return
    key = deploy_key(plan, plan.target, public_key)
    with failing_as(f'failed to configure deploy key "{key.title}" for "{repository.web_url}"', ForgeError):
        change = await tools.forge.ensure_deploy_key(repository, key)
    if change.kind != "unchanged":
        tools.say.success(f'configured deploy key "{key.title}" for "{repository.web_url}"')


def _key_pair(plan: Plan) -> KeyPair | None:
    match plan.secret.access:
        case GeneratedKey(algorithm=algorithm, rsa_bits=bits, curve=curve):
            return generate_key(algorithm, bits, curve)
        case GivenKey(identity=identity, passphrase=passphrase):
            return key_pair_of(identity, passphrase)
        case _:
            return None
