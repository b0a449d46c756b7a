"""postBuild: which variables there are. What the expressions mean is the engine's part (engine/internal/substitute)."""

import re
from collections.abc import Iterable, Mapping, Sequence

from fleetloop.build.errors import BuildError
from fleetloop.build.manifest import Manifest, kustomize_name_of

SWITCH = "kustomize.toolkit.fluxcd.io/substitute"  # label or annotation; "disabled" leaves the object alone
NAME_PATTERN = "^[_[:alpha:]][_[:alpha:][:digit:]]*$"  # as the message shows it
_NAME = re.compile(r"[_A-Za-z][_A-Za-z0-9]*")


def variables_of(referenced: Iterable[Mapping[str, str]], inline: Mapping[str, str]) -> dict[str, str]:
    """The data of substituteFrom's objects in order, a later one winning, and spec.postBuild.substitute over all.

    Line feeds are removed from values. Flux: kustomize-controller, variable substitution.
    """
    merged: dict[str, str] = {}
    for data in (*referenced, inline):
        merged |= {name: value.replace("\n", "") for name, value in data.items()}
    return merged


def check_variables(variables: Iterable[str], objects: Sequence[Manifest], missing: str = "") -> None:
    """Raises BuildError for a name that no expression could hold, or `missing`, as if the first object that takes variables had
    met it (contract 8.6)."""
    problems = (f"'{name}' var name is invalid, must match '{NAME_PATTERN}'" for name in variables if not _NAME.fullmatch(name))
    problem = missing or next(problems, "")
    first = next((manifest for manifest in objects if _takes_variables(manifest)), None)
    if problem and first:
        raise BuildError(f"post build failed for '{kustomize_name_of(first)}': {problem}")


def _takes_variables(manifest: Manifest) -> bool:
    metadata = manifest.get("metadata") or {}
    return not any((metadata.get(where) or {}).get(SWITCH) == "disabled" for where in ("labels", "annotations"))
