"""Which policies an automation follows. Pure. Flux: helm-notification-image.md 5.1, 5.3."""

from collections.abc import Iterable, Mapping

from fleetloop.api.image import ImagePolicy, ImageRef, ImageUpdateAutomation
from fleetloop.api.meta import LabelSelector, LabelSelectorRequirement
from fleetloop.controllers.image_automation.failures import InvalidPolicySelector


def selected(policies: Iterable[ImagePolicy], automation: ImageUpdateAutomation) -> dict[str, ImageRef]:
    """Name -> image of its namespace's policies that have one, whether they are ready or not. Raises InvalidPolicySelector."""
    selector = automation.spec.policy_selector
    for requirement in selector.match_expressions if selector else ():
        _check(requirement)
    return {
        policy.name: policy.status.latest_ref
        for policy in sorted(policies, key=lambda policy: policy.name)
        if policy.namespace == automation.namespace
        and policy.status.latest_ref
        and (selector is None or selects(selector, policy.metadata.labels))
    }


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    return selector.match_labels.items() <= labels.items() and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def _holds(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    key, values = requirement.key, requirement.values
    match requirement.operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def _check(requirement: LabelSelectorRequirement) -> None:
    operator, wants_values = requirement.operator, requirement.operator in {"In", "NotIn"}
    if operator not in {"In", "NotIn", "Exists", "DoesNotExist"}:
        problem = f"'{operator}' is not a valid label selector operator"
    elif wants_values is not bool(requirement.values):
        problem = f"values {'must' if wants_values else 'must not'} be given for operator {operator}"
    elif not requirement.key:
        problem = "key is empty"
    else:
        return
    raise InvalidPolicySelector(f"failed to parse policy selector: spec.policySelector.matchExpressions: {problem}")
