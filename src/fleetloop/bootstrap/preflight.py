"""Everything that can be known to fail is found before anything is changed, and told together.

Reads and probes only. Its findings are what the steps go by, so nothing is asked twice.
"""

from collections import defaultdict
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fleetloop.bootstrap.errors import BootstrapError, PreflightFailed
from fleetloop.bootstrap.paths import same_directory
from fleetloop.bootstrap.plan import ForgeTarget, Plan
from fleetloop.bootstrap.prerequisites import (
    access_problem,
    kubernetes_version,
    missing_access,
    rights_to_install,
    rights_to_sync,
)
from fleetloop.bootstrap.secret import BasicAuth, FromDeployToken, SshHost, data_of, public_key_of
from fleetloop.bootstrap.waits import kustomization
from fleetloop.forge import DeployKey, Forge, ForgeError, NotOnForge, Repository, Right
from fleetloop.forge.errors import ForgeAnswered
from fleetloop.forge.forge import (
    ADMINISTRATION_READ,
    ADMINISTRATION_WRITE,
    CONTENTS_READ,
    CONTENTS_WRITE,
    METADATA_READ,
    STATUSES_READ,
    STATUSES_WRITE,
)
from fleetloop.git import GitError, scan_host_key
from fleetloop.kube import ApiError, Forbidden, Kube, Manifest, NotFound, ObjectRef, Unreachable, annotations_of
from fleetloop.kube.kstatus import health_of

T = TypeVar("T")
NEEDED_TO_SYNC = ("source-controller", "kustomize-controller")


@dataclass(frozen=True, slots=True)
class Findings:
    """The world as it was before the first change. `installs`: the components are applied from here, not by the cluster."""

    repository: Repository | None
    installs: bool
    sync_exists: bool
    secret: dict[str, bytes] | None
    known_hosts: bytes
    clone_known_hosts: bytes


class _Problems:
    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, problem: str) -> None:
        self.found.append(problem)

    async def of(self, check: Awaitable[T], otherwise: T) -> T:
        """The check's result, or `otherwise` when it failed, which is then a problem too."""
        try:
            return await check
        except (BootstrapError, ForgeError, GitError, ApiError, Unreachable) as error:
            self.add(str(error))
            return otherwise


async def preflight(plan: Plan, kube: Kube, forge: Forge | None) -> Findings:
    """Raises PreflightFailed with every problem."""
    problems = _Problems()
    await problems.of(kubernetes_version(kube), "")
    sync = await problems.of(_find_sync(kube, plan), None)
    installs = await problems.of(_must_install(kube, plan, sync), True)
    await problems.of(_check_rights(kube, plan, installs), None)
    await problems.of(_check_namespace(kube, plan), None)
    if installs and not plan.overrides:
        await problems.of(_check_other_managers(kube, plan), None)
    secret = await problems.of(_find_secret(kube, plan), None)
    host = None if plan.secret.is_kept(secret) else plan.secret.host
    known_hosts = await problems.of(_scan(host), b"")
    cloned_from = _unknown_host(plan)
    same = cloned_from == host
    clone_known_hosts = known_hosts if same else await problems.of(_scan(cloned_from), b"")
    repository = None
    if forge and plan.target:
        repository = await problems.of(_check_forge(forge, plan, plan.target, secret, problems), None)
    if problems.found:
        raise PreflightFailed(list(dict.fromkeys(problems.found)))
    return Findings(repository, installs, sync is not None, secret, known_hosts, clone_known_hosts)


async def _find_sync(kube: Kube, plan: Plan) -> Manifest | None:
    """The Kustomization of an earlier bootstrap. Another path there would prune everything of the old one."""
    try:
        sync = await kube.find(kustomization(plan.namespace))
    except (ApiError, Unreachable) as error:
        doing = "failed to determine if sync configuration would overwrite existing Kustomization"
        raise BootstrapError(f"{doing}: {error}") from error
    path = str(((sync or {}).get("spec") or {}).get("path") or "")
    if sync and not same_directory(path, plan.sync.path):
        raise BootstrapError(
            f'sync path configuration ("{plan.sync.path}") would overwrite path ("{path}") of existing Kustomization'
        )
    return sync


async def _must_install(kube: Kube, plan: Plan, sync: Manifest | None) -> bool:
    """Until the cluster has followed Git once, and again when what follows Git there is broken, we apply ourselves."""
    if not ((sync or {}).get("status") or {}).get("lastAppliedRevision"):
        return True
    for name in NEEDED_TO_SYNC:
        live = await kube.find(ObjectRef("apps/v1", "Deployment", plan.namespace, name))
        if live is None or health_of(live).status == "Failed":
            return True
    return False


async def _check_rights(kube: Kube, plan: Plan, installs: bool) -> None:
    wanted = rights_to_sync(plan.namespace) + (rights_to_install(plan.namespace) if installs else [])
    if missing := await missing_access(kube, wanted):
        raise BootstrapError(access_problem(missing, installs))


async def _check_namespace(kube: Kube, plan: Plan) -> None:
    try:
        live = await kube.find(ObjectRef("v1", "Namespace", "", plan.namespace))
    except Forbidden:  # it may be enough to act inside it
        return
    if live and live["metadata"].get("deletionTimestamp"):
        raise BootstrapError(f"namespace {plan.namespace} is being deleted: run this again when it is gone")


async def _check_other_managers(kube: Kube, plan: Plan) -> None:
    """An operator or a Helm release that would undo what we apply."""
    try:
        instances = await kube.list("fluxcd.controlplane.io/v1", "FluxInstance")
    except NotFound:
        instances = []
    owners = [f"FluxInstance {one['metadata']['namespace']}/{one['metadata']['name']}" for one in instances]
    for live in await kube.list("apps/v1", "Deployment", plan.namespace):
        release = annotations_of(live).get("meta.helm.sh/release-name")
        if release and live["metadata"]["name"] in plan.components.components:
            owners.append(f"Helm release {plan.namespace}/{release}")
    if owners:
        listed = ", ".join(dict.fromkeys(owners))
        raise BootstrapError(f"the controllers in this cluster are managed by {listed}: remove that first, or use --force")


async def _find_secret(kube: Kube, plan: Plan) -> dict[str, bytes] | None:
    try:
        live = await kube.find(ObjectRef("v1", "Secret", plan.namespace, plan.sync.secret_name))
    except (ApiError, Unreachable) as error:
        raise BootstrapError(f"failed to determine if deploy key secret exists: {error}") from error
    return data_of(live) if live else None


def _unknown_host(plan: Plan) -> SshHost | None:
    """The SSH server to clone from, when nobody has said what its key is: it is trusted on first use."""
    if plan.remote.scheme != "ssh" or plan.credentials.known_hosts:
        return None
    return SshHost(plan.remote.host, plan.remote.port or 22)


async def _scan(host: SshHost | None) -> bytes:
    if host is None:
        return b""
    try:
        return await scan_host_key(host.name, host.port)
    except GitError as error:
        raise BootstrapError(f"SSH key scan for host {host.name}:{host.port} failed, error: {error}") from error


async def _check_forge(
    forge: Forge, plan: Plan, target: ForgeTarget, secret: dict[str, bytes] | None, problems: _Problems
) -> Repository | None:
    wish, expected = target.wish, target.repository
    try:
        found = await forge.find_repository(wish.owner, wish.name)
    except ForgeAnswered as error:
        if error.status != 403:
            raise _unreadable(expected, error) from error
        found = expected  # it is there, or its absence would have been told; the probes say which right is missing
    except ForgeError as error:
        raise _unreadable(expected, error) from error
    if found is None:
        if not await forge.may_create(wish):
            problems.add(_may_not_create(expected))
        return None
    wanted = {METADATA_READ, ADMINISTRATION_READ, CONTENTS_READ, CONTENTS_WRITE}
    if isinstance(plan.secret.access, BasicAuth):  # the token goes into the cluster, where it reports commit statuses
        wanted |= {STATUSES_READ, STATUSES_WRITE}
    if isinstance(plan.secret.access, FromDeployToken):
        wanted |= {ADMINISTRATION_WRITE}
    missing = set(await forge.missing_rights(found, wanted))
    if ADMINISTRATION_READ not in missing and await _will_write_key(forge, found, plan, target, secret):
        missing |= set(await forge.missing_rights(found, {ADMINISTRATION_WRITE}))
    for lacking in permissions(missing):
        problems.add(f'the token lacks the permission "{lacking}" on {found.web_url}')
    if METADATA_READ not in missing:
        await _check_grants(forge, found, target, problems)
    return found


def permissions(missing: set[Right]) -> list[str]:
    """`Contents: read and write`, one line a permission, in the words of the token's settings page."""
    levels = defaultdict(list)
    for right in sorted(missing, key=lambda right: (right.name, right.level)):
        levels[right.name].append(right.level)
    return [f"{name}: {' and '.join(found)}" for name, found in levels.items()]


async def _will_write_key(
    forge: Forge, repository: Repository, plan: Plan, target: ForgeTarget, secret: dict[str, bytes] | None
) -> bool:
    if plan.secret.host is None:
        return False
    if secret is None or not plan.secret.is_kept(secret):
        return True
    wanted = deploy_key(plan, target, public_key_of(secret))
    found = await forge.find_deploy_key(repository, wanted.title)
    return found is None or (found.text, found.read_only) != (wanted.text, wanted.read_only)


def deploy_key(plan: Plan, target: ForgeTarget, public_key: bytes) -> DeployKey:
    return DeployKey(plan.key_title, public_key.decode().strip(), read_only=not target.read_write_key)


async def _check_grants(forge: Forge, repository: Repository, target: ForgeTarget, problems: _Problems) -> None:
    refused: list[str] = []
    for grant in () if target.wish.personal else target.grants:
        try:
            present = await forge.find_team_permission(repository, grant.team)
            is_due = present is None or (target.rewrites_grants and present != grant.permission)
            if is_due and not await forge.may_grant(repository, grant.team):
                refused.append(grant.team)
        except NotOnForge:
            continue  # the step warns of a team that does not exist
        except ForgeAnswered as error:
            if error.status != 403:
                raise
            refused.append(grant.team)
    if refused:
        needs = 'it needs the organization permission "Members: read" and "Administration: write" on the repository'
        problems.add(f"the token may not change the access of team {_quoted(refused)}: {needs}")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _may_not_create(repository: Repository) -> str:
    return (
        f"repository {repository.web_url} does not exist, or the token cannot see it"
        f' (permission "{METADATA_READ}"), and the token may not create it (permission "{ADMINISTRATION_WRITE}")'
    )


def _unreadable(repository: Repository, error: ForgeError) -> BootstrapError:
    return BootstrapError(f'failed to get Git repository "{repository.web_url}": provider error: {error}')
