"""Whether everything a Kustomization depends on is ready. Pure but for one CEL call. Flux: source-kustomize.md 8.11 (SK29)."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from fleetloop.api.applier import DependencyReference
from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Key
from fleetloop.build.expressions import NotCompiled
from fleetloop.controllers.kustomize.failures import DependencyNotReady
from fleetloop.controllers.kustomize.sources import source_key
from fleetloop.kube.errors import NotFound
from fleetloop.runtime.health_rules import BadExpression

Evaluate = Callable[[str, dict[str, Any]], Awaitable[bool]]  # expression, variables; raises NotCompiled, ValueError


async def check_dependencies(
    kustomization: Kustomization,
    read: Callable[[Key], Awaitable[Kustomization]],
    revision: str,
    evaluate: Evaluate,
    *,
    additive: bool,
) -> None:
    """Raises DependencyNotReady naming the first one, BadExpression. `read` raises NotFound; `additive`: readyExpr comes on top
    of the other rules."""
    for ref in kustomization.spec.depends_on:
        name = f"{ref.namespace or kustomization.namespace}/{ref.name}"
        try:
            dependency = await read(dependency_key(kustomization, ref))
        except NotFound as error:
            raise DependencyNotReady(f"dependency '{name}' not found: {error}") from error
        if ref.ready_expr:
            await _check_expression(kustomization, ref, dependency, evaluate)
        if not ref.ready_expr or additive:
            if not is_ready(dependency):
                raise DependencyNotReady(f"dependency '{name}' is not ready")
            same_source = source_key(dependency) == source_key(kustomization)
            if same_source and dependency.status.last_applied_revision != revision:
                raise DependencyNotReady(f"dependency '{name}' revision is not up to date")


def dependency_key(kustomization: Kustomization, ref: DependencyReference) -> Key:
    return Key(kustomization.kind, ref.namespace or kustomization.namespace, ref.name)


def is_ready(kustomization: Kustomization) -> bool:
    status = kustomization.status
    return status.observed_generation == kustomization.metadata.generation and status.is_true("Ready")


def dependents(key: Key, all_of_them: Iterable[Kustomization]) -> list[Key]:
    """Who waits for `key`."""
    return [k.key for k in all_of_them if any(dependency_key(k, ref) == key for ref in k.spec.depends_on)]


async def _check_expression(
    kustomization: Kustomization, ref: DependencyReference, dependency: Kustomization, evaluate: Evaluate
) -> None:
    variables = {"self": msgspec.to_builtins(kustomization), "dep": msgspec.to_builtins(dependency)}
    not_ready = f"dependency '{dependency.namespace}/{dependency.name}' is not ready according to readyExpr eval"
    try:
        holds = await evaluate(ref.ready_expr, variables)
    except NotCompiled as error:
        raise BadExpression(f"spec.dependsOn readyExpr {ref.ready_expr!r}: {error}") from error
    except ValueError as error:
        raise DependencyNotReady(f"{not_ready}: {error}") from error
    if not holds:
        raise DependencyNotReady(not_ready)
