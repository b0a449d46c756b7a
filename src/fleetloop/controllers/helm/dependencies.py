"""Whether everything a HelmRelease depends on is ready. Flux: helm-notification-image.md 2.5-4."""

from collections.abc import Iterable

import msgspec

from fleetloop.api.applier import DependencyReference
from fleetloop.api.helm import HelmRelease
from fleetloop.api.meta import Key
from fleetloop.build.expressions import NotCompiled
from fleetloop.controllers.helm.failures import DependencyNotReady
from fleetloop.controllers.helm.tools import HelmTools
from fleetloop.runtime.health_rules import BadExpression


async def check_dependencies(release: HelmRelease, tools: HelmTools) -> None:
    """Whoever becomes ready wakes those who wait for it. Raises DependencyNotReady, BadExpression."""
    after = tools.settings.requeue_dependency
    for ref in release.spec.depends_on:
        found = await tools.find(dependency_key(release, ref))
        name = f"{ref.namespace or release.namespace}/{ref.name}"
        if found is None:
            raise DependencyNotReady(f"unable to get '{name}' dependency: not found", after=after)
        if ref.ready_expr:
            await _check_expression(ref.ready_expr, release, found, tools)
        if ref.ready_expr and not tools.settings.gate("AdditiveCELDependencyCheck"):
            continue
        if found.status.observed_generation != found.metadata.generation or not found.status.is_true("Ready"):
            raise DependencyNotReady(f"dependency '{name}' is not ready", after=after)


def dependency_key(release: HelmRelease, ref: DependencyReference) -> Key:
    return Key("HelmRelease", ref.namespace or release.namespace, ref.name)


def dependents(key: Key, all_of_them: Iterable[HelmRelease]) -> list[Key]:
    """Who waits for `key`."""
    return [one.key for one in all_of_them if any(dependency_key(one, ref) == key for ref in one.spec.depends_on)]


async def _check_expression(expression: str, release: HelmRelease, dependency: HelmRelease, tools: HelmTools) -> None:
    variables = {"self": msgspec.to_builtins(release), "dep": msgspec.to_builtins(dependency)}
    not_ready = f"dependency '{dependency.namespace}/{dependency.name}' is not ready according to readyExpr eval"
    after = tools.settings.requeue_dependency
    try:
        holds = await tools.expressions.holds(expression, variables)
    except NotCompiled as error:
        raise BadExpression(f"spec.dependsOn readyExpr {expression!r}: {error}") from error
    except ValueError as error:
        raise DependencyNotReady(f"{not_ready}: {error}", after=after) from error
    if not holds:
        raise DependencyNotReady(not_ready, after=after)
