"""spec.ignore of a Kustomization, as `diff` obeys it: places that others may change are no difference.

Flux: source-kustomize.md 8.8.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fleetloop.api.applier import IgnoreRule
from fleetloop.cli.errors import CliError
from fleetloop.kube.ignoring import ignore_rules
from fleetloop.kube.objects import Manifest
from fleetloop.kube.pointers import without


def without_ignored(manifest: Manifest, rules: Sequence[Mapping[str, Any]]) -> Manifest:
    """A copy without the places of the rules that concern the object. Raises CliError for a rule that cannot be read."""
    if not rules:
        return manifest
    try:
        pointers = ignore_rules(msgspec.convert(list(rules), list[IgnoreRule])).pointers_for(manifest)
    except ValueError as error:
        raise CliError(str(error)) from error
    found: Manifest = without(manifest, pointers)
    return found
