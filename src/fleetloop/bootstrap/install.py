"""`install`: the components applied from here, without a repository that they would be kept equal to."""

from dataclasses import dataclass

from fleetloop.bootstrap.components import InstallOptions, documents, generate
from fleetloop.bootstrap.errors import BootstrapError, PreflightFailed, StepFailed
from fleetloop.bootstrap.hands import Hands
from fleetloop.bootstrap.installed import Ask, confirm_override, find_installed
from fleetloop.bootstrap.prerequisites import access_problem, kubernetes_version, missing_access, rights_to_install
from fleetloop.bootstrap.pull_secret import PullSecret
from fleetloop.bootstrap.say import Say, Tell
from fleetloop.bootstrap.waits import wait_for_deployments
from fleetloop.kube import ApiError, Kube, Unreachable
from fleetloop.kube.apply import ApplyFailed


@dataclass(frozen=True, slots=True)
class Installation:
    """`overrides`: another tool's installation may be replaced without a question. `timeout` in seconds."""

    components: InstallOptions
    pull_secret: PullSecret | None = None
    overrides: bool = False
    verbose: bool = False
    timeout: float = 300.0


async def install(wanted: Installation, kube: Kube, hands: Hands, say: Say, ask: Ask, tell: Tell) -> None:
    """Nothing is pruned. Raises BootstrapError."""
    namespace = wanted.components.namespace
    say.generate("generating manifests")
    objects = documents(wanted.components)
    say.success("manifests build completed")
    if wanted.verbose:
        tell(generate(wanted.components).rstrip("\n"))
    say.action(f"installing components in {namespace} namespace")
    await _check(wanted, kube, say, ask)
    try:
        changes = await hands.apply(objects)
    except (ApplyFailed, ApiError, Unreachable) as error:
        raise StepFailed(f"install failed: {error}") from error
    for change in changes.changes:
        tell(str(change))
    if wanted.pull_secret:
        say.action(f"generating image pull secret {wanted.pull_secret.name}")
        await hands.write_secret(wanted.pull_secret.manifest(namespace, indent=2), frozenset())
    say.waiting("verifying installation")
    if not await wait_for_deployments(kube, namespace, wanted.components.components, wanted.timeout, say):
        raise StepFailed("install failed")
    say.success("install finished")


async def _check(wanted: Installation, kube: Kube, say: Say, ask: Ask) -> None:
    installed = await find_installed(kube)
    if installed and installed.is_bootstrapped:
        raise BootstrapError(
            f"this cluster has already been bootstrapped with Flux {installed.version}! Please use 'flux bootstrap' to upgrade"
        )
    if not wanted.overrides:
        await confirm_override(installed, "installation", say, ask)
    problems = []
    try:
        await kubernetes_version(kube)
    except BootstrapError as error:
        problems.append(str(error))
    if missing := await missing_access(kube, rights_to_install(wanted.components.namespace)):
        problems.append(access_problem(missing, is_installing=True))
    if problems:
        raise PreflightFailed(problems)
